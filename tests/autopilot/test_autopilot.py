"""The local autopilot: jobs, candidates, the model folder."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from importlib import import_module
from importlib.metadata import version

import numpy as np
import optuna
import pandas as pd
import pytest
import skops.io
from sklearn.metrics import roc_auc_score
from sklearn.tree import DecisionTreeClassifier

from genomicslearning import InputError, autopilot
from genomicslearning.autopilot import integrity
from genomicslearning.autopilot import manifest as manifests
from genomicslearning.autopilot.calibration import calibrated, calibration
from genomicslearning.autopilot.candidates import DEFINITIONS, EXTRA, PRESETS, Evidence
from genomicslearning.autopilot.cross_validation import CrossValidation
from genomicslearning.autopilot.ensemble import best_threshold, blend, greedy_ensemble, scores
from genomicslearning.autopilot.manifest import FORMAT
from genomicslearning.autopilot.model import MANIFEST, WEIGHTS, Model
from genomicslearning.autopilot.scoring import positive
from genomicslearning.endpoint import package
from genomicslearning.features import Variants, folds
from genomicslearning.history.splits import gene_groups

ROWS = 1500


def quiet(text: str) -> None:
    pass


@pytest.fixture(scope="module")
def rows(labelled_table):
    return labelled_table.sample(ROWS + 500, random_state=7)


@pytest.fixture(scope="module")
def train(rows):
    return rows.iloc[:ROWS]


@pytest.fixture(scope="module")
def test(rows):
    return rows.iloc[ROWS:]


@pytest.fixture(scope="module")
def said():
    return []


@pytest.fixture(scope="module")
def job(train, said, tmp_path_factory):
    folder = tmp_path_factory.mktemp("jobs")
    return autopilot.start(train, folder=folder, name="first", preset="quick", progress=said.append).wait()


def test_a_job_and_its_leaderboard(job, said, least_auc):
    assert job.status == "Completed"
    board = job.leaderboard().set_index("candidate")
    assert {"majority", "token_logistic", "boosting"} <= set(board.index)
    assert board["AUC"].is_monotonic_decreasing
    assert board.index[0] == job.best.name
    assert board.loc["majority", "AUC"] == pytest.approx(0.5, abs=0.01)
    assert board["AUC"].iloc[0] > least_auc
    assert board["weight"].sum() == pytest.approx(1, abs=0.01)
    assert "1,500 rows" in said[0] and "s left" in said[1] and said[-1].startswith("best: ")


def test_files_of_a_job(job):
    listed = json.loads((job.folder / "candidates.json").read_text())
    assert listed["status"] == "Completed" and listed["best"] == job.best.name
    assert {path.name for path in (job.folder / "notebooks").iterdir()} == {
        "candidate_definition.ipynb",
        "data_exploration.ipynb",
    }
    manifest = json.loads((job.folder / "model" / MANIFEST).read_text())
    assert manifest["training_set"]["rows"] == ROWS and len(manifest["training_set"]["sha256"]) == 64
    assert manifest["classes"] == [0, 1] and manifest["features"] == "all" and manifest["licence"] == "Apache-2.0"
    assert manifest["schema"]["input"]["POS"] == "int64" and "CLASS" not in manifest["schema"]["input"]
    assert manifest["reproducible"] is True
    assert 0 < manifest["threshold"] < 1


def test_predictions_are_good_and_need_no_label(job, test, least_auc):
    probability = job.model().predict(test)
    assert probability.dtype == np.float64 and probability.shape == (len(test),)
    assert roc_auc_score(test["CLASS"], probability) > least_auc
    np.testing.assert_array_equal(probability, job.model().predict(test.drop(columns="CLASS")))
    assert len(job.model().predict(test.head(0))) == 0


def test_another_process_predicts_the_same_bits(job, test, tmp_path):
    test.to_parquet(tmp_path / "test.parquet")
    program = (
        "import sys, numpy, pandas; from genomicslearning.autopilot.model import Model;"
        "numpy.save(sys.argv[3], Model.load(sys.argv[1]).predict(pandas.read_parquet(sys.argv[2])))"
    )
    answer = tmp_path / "answer.npy"
    command = [sys.executable, "-c", program, str(job.folder / "model"), str(tmp_path / "test.parquet"), str(answer)]
    subprocess.run(command, check=True)
    np.testing.assert_array_equal(np.load(answer), job.model().predict(test))


def test_order_of_rows_and_columns_does_not_change_the_model(job, train, test, tmp_path):
    shuffled = train.sample(frac=1, random_state=1)[train.columns[::-1]]
    again = autopilot.start(shuffled, folder=tmp_path, name="again", preset="quick", progress=quiet)
    np.testing.assert_allclose(again.model().predict(test), job.model().predict(test), atol=1e-9)


def test_a_prediction_does_not_depend_on_the_rows_around_it(job, test):
    model = job.model()
    one_by_one = np.concatenate([model.predict(test.iloc[[row]]) for row in range(5)])
    np.testing.assert_allclose(one_by_one, model.predict(test)[:5], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["boosting", "extra_trees", "random_forest"])
def test_trees_predict_what_the_public_method_does(name, train, test):
    evidence = Evidence("all", grouped=False, seed=0)
    pipeline = DEFINITIONS[name].build(optuna.trial.FixedTrial(DEFINITIONS[name].first), evidence, 0)
    few = {"classifier__max_iter": 5} if name == "boosting" else {"classifier__n_estimators": 4}
    pipeline.set_params(**few).fit(train, train["CLASS"])
    found = pipeline[0].transform(test)
    np.testing.assert_array_equal(positive(pipeline[1:], found), pipeline[1:].predict_proba(found)[:, 1])


def test_a_stopped_job_is_taken_up_and_gives_the_same_model(job, train, test, tmp_path):
    messages = []
    half = autopilot.start(train, folder=tmp_path, name="half", preset="quick", progress=messages.append)
    half.stop()
    half.wait()
    assert half.status == "Stopped"
    assert half.model().manifest["reproducible"] is False
    assert half.model().predict(test).shape == (len(test),)
    resumed = autopilot.start(train, folder=tmp_path, name="half", preset="quick", progress=messages.append)
    np.testing.assert_array_equal(resumed.model().predict(test), job.model().predict(test))
    assert resumed.model().manifest["reproducible"] is True


def test_running_out_of_time_is_a_result(train, test, tmp_path):
    settings = dict(folder=tmp_path, name="short", preset="quick", max_runtime_seconds=1e-6, progress=quiet)
    job = autopilot.start(train, **settings).wait()
    assert job.status == "Completed"
    assert job.best.name == "majority"
    np.testing.assert_allclose(job.model().predict(test), train["CLASS"].mean(), atol=0.01)
    assert "another run may give another model" in job.notes[0]


def test_a_folder_of_another_job_is_kept(job, train):
    kept = (job.folder / "candidates.json").read_bytes()
    settings = dict(folder=job.folder.parent, name="first", preset="quick", max_candidates=1, progress=quiet)
    other = autopilot.start(train, seed=1, **settings).wait()
    assert other.name.startswith("first-") and other.folder == job.folder.with_name(other.name)
    assert json.loads((other.folder / "candidates.json").read_text())["job"] == other.name
    assert other.model().manifest["job"] == other.name
    assert autopilot.start(train, seed=1, **settings).wait().name == other.name, "the same job is taken up"
    assert autopilot.start(train, seed=2, **settings).wait().name not in (job.name, other.name)
    assert (job.folder / "candidates.json").read_bytes() == kept


def test_whole_genes_stay_in_one_fold(train, test, tmp_path):
    groups = gene_groups(train)
    job = autopilot.start(train, folder=tmp_path, name="genes", preset="quick", groups=groups, progress=quiet)
    model = job.model()
    assert model.manifest["settings"]["grouped"] is True
    names = set(model.pipelines["boosting"][0].get_feature_names_out())
    assert not names & {"megabase", "gene_cadd", "variants_within_500"}
    assert roc_auc_score(test["CLASS"], model.predict(test)) > 0.7


@pytest.mark.parametrize("groups", [None, list("AAAABBBB"), list("AABBCCDD")])
def test_a_job_of_four_rows_of_each_class(groups, train, tmp_path):
    few = pd.concat([train[train["CLASS"] == label].head(4) for label in (0, 1)])
    few = few.iloc[[0, 4, 1, 5, 2, 6, 3, 7]]
    job = autopilot.start(few, folder=tmp_path, name="few", preset="balanced", features="biology", groups=groups)
    found = job.wait().model().predict(few)
    assert ((found > 0) & (found < 1)).all()


def test_a_table_without_vep_and_few_rows(train, tmp_path):
    bare = train.head(250)[["CHROM", "POS", "REF", "ALT", "AF_EXAC", "CLNDN", "CLNVC", "MC", "CLASS"]]
    job = autopilot.start(bare, folder=tmp_path, name="bare", preset="quick", progress=quiet)
    assert np.isfinite(job.model().predict(bare)).all()


def installed(extra):
    """Skip where the library of an extra candidate does not load (LightGBM needs the system's libgomp)."""
    try:
        import_module(extra)
    except (ImportError, OSError) as problem:
        pytest.skip(f"{extra} does not load here: {problem}")


@pytest.mark.parametrize("name", [*DEFINITIONS, *EXTRA])
def test_every_candidate_fits_saves_and_loads(name, train, test, tmp_path):
    if name in EXTRA:
        installed(name)
    definition = (DEFINITIONS | EXTRA)[name]
    small = {"n_estimators": 50, "max_iter": 50}
    parameters = {key: small.get(key, value) for key, value in definition.first.items()}
    evidence = Evidence("biology", grouped=False, seed=0)
    pipeline = definition.build(optuna.trial.FixedTrial(parameters), evidence, 0)
    pipeline.fit(train, train["CLASS"].to_numpy())
    manifest = {"format": FORMAT, "features": "biology", "threshold": 0.5, "members": {name: {"weight": 1.0}}}
    model = Model({name: pipeline}, manifest | {"calibration": {"low": 1.0, "high": 1.0, "intercept": 0.0}})
    model.save(tmp_path / "model")
    expected = np.clip(pipeline.predict_proba(test)[:, 1], 1e-6, 1 - 1e-6)
    # Candidates on tokens compute in single precision.
    np.testing.assert_allclose(Model.load(tmp_path / "model").predict(test), expected, rtol=1e-6)


def test_members_share_what_is_fitted_on_the_same_rows(train, tmp_path):
    rows = train.head(300)
    y = rows["CLASS"].to_numpy(np.int64)
    evidence = Evidence("all", grouped=False, seed=0)
    names = ("extra_trees", "histogram_boosting", "boosting_columns")
    pipelines = {
        name: DEFINITIONS[name].build(optuna.trial.FixedTrial(DEFINITIONS[name].first), evidence, 0) for name in names
    }
    fits = CrossValidation(Variants.read(rows), y, folds(2, y, None, 0))
    fitted = fits.fit_all(pipelines)
    assert list(fitted) == list(names)
    alone = pipelines["extra_trees"].fit(rows, y)
    # A forest that was fitted on two cores adds up its trees in no fixed order, until it is in a Model.
    np.testing.assert_allclose(fitted["extra_trees"].predict_proba(train), alone.predict_proba(train), rtol=1e-12)
    manifest = {
        "format": FORMAT,
        "features": "all",
        "threshold": 0.5,
        "members": {name: {"weight": 1.0} for name in names},
    }
    Model(fitted, manifest | {"calibration": {"low": 1.0, "high": 1.0, "intercept": 0.0}}).save(tmp_path / "model")
    for model in (fitted, Model.load(tmp_path / "model").pipelines):
        assert model["extra_trees"][0] is model["boosting_columns"][0]
        assert model["extra_trees"][0] is model["histogram_boosting"][0].columns_


@pytest.fixture(scope="module")
def with_lightgbm(train, tmp_path_factory):
    """Arguments of a job that tries LightGBM too."""
    installed("lightgbm")
    folder = tmp_path_factory.mktemp("extra")
    return {"folder": folder, "preset": "quick", "extra_candidates": ["lightgbm"], "progress": quiet}


@pytest.fixture(scope="module")
def extra_job(train, with_lightgbm):
    return autopilot.start(train, name="job", **with_lightgbm).wait()


def test_an_extra_candidate_takes_part_if_asked_to(extra_job, train, test, with_lightgbm, least_auc):
    board = extra_job.leaderboard().set_index("candidate")
    assert board.loc["lightgbm", "AUC"] > least_auc - 0.05
    assert {*PRESETS["quick"].trials, "lightgbm"} <= set(board.index)
    assert "LGBMClassifier" in (extra_job.folder / "notebooks" / "candidate_definition.ipynb").read_text()
    again = autopilot.start(train, name="again", **with_lightgbm)
    np.testing.assert_array_equal(again.model().predict(test), extra_job.model().predict(test))


@pytest.fixture(scope="module")
def lightgbm_model(train, tmp_path_factory):
    """A model with LightGBM as its only member: which candidates win a job is not to be relied on."""
    installed("lightgbm")
    candidate = EXTRA["lightgbm"]
    pipeline = candidate.build(optuna.trial.FixedTrial(candidate.first), Evidence("all", grouped=False, seed=0), 0)
    pipeline.fit(train, train["CLASS"])
    described = manifests.describe(
        train,
        job="one",
        settings={"features": "all"},
        candidates={"lightgbm": candidate},
        parameters={"lightgbm": candidate.first},
        weights={"lightgbm": 1.0},
        truth=train["CLASS"].to_numpy(),
        out_of_fold=positive(pipeline[1:], pipeline[0].transform(train)),
        notes=[],
    )
    model = Model({"lightgbm": pipeline}, described)
    return model, model.save(tmp_path_factory.mktemp("lightgbm") / "model")


def test_a_model_with_an_extra_member_says_what_it_needs(lightgbm_model, test):
    model, folder = lightgbm_model
    assert model.manifest["versions"]["lightgbm"] == version("lightgbm")
    assert f"lightgbm=={version('lightgbm')}" in package.requirements(model.manifest)
    np.testing.assert_array_equal(Model.load(folder).predict(test), model.predict(test))


def test_an_extra_candidate_without_its_library(job, lightgbm_model, train, with_lightgbm, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "lightgbm"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r"lightgbm.*pip install -e '\.\[lightgbm\]'"):
        Model.load(lightgbm_model[1])
    with pytest.raises(InputError, match=r"pip install -e '\.\[lightgbm\]'"):
        autopilot.start(train, name="next", **with_lightgbm)
    assert not (with_lightgbm["folder"] / "next").exists()
    plain = {"members": {"token_logistic": {"weight": 1.0}}}
    assert not any(line.startswith("lightgbm") for line in package.requirements(plain))


def test_where_lightgbm_does_not_load_scikit_learn_boosts(train, test, tmp_path, monkeypatch):
    for name in {"lightgbm", *(name for name in sys.modules if name.partition(".")[0] == "lightgbm")}:
        monkeypatch.setitem(sys.modules, name, None)
    rows = train.head(400)
    job = autopilot.start(rows, folder=tmp_path, name="without", preset="quick", progress=quiet).wait()
    assert {one.name for one in job.candidates} - {"ensemble"} == {"majority", "token_logistic", "histogram_boosting"}
    assert "scikit-learn's boosting stands in" in job.notes[0]
    assert not job.model().manifest["reproducible"]
    assert roc_auc_score(test["CLASS"], job.model().predict(test)) > 0.6


def test_trials_are_kept_and_not_run_twice(tmp_path):
    from genomicslearning.autopilot.search import Search

    definition = DEFINITIONS["token_bayes"]
    asked = []

    def score(trial):
        alpha = trial.suggest_float("alpha", 0.01, 10, log=True)
        asked.append(alpha)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return -abs(np.log(alpha))

    search = Search(tmp_path, seed=5)
    with pytest.raises(KeyboardInterrupt):
        search.best("one", definition, 5, score)
    search.close()
    search = Search(tmp_path, seed=5)
    best, resumed = search.best("one", definition, 5, score)
    _, at_once = search.best("two", definition, 5, score)
    search.close()
    assert asked[0] == 1.0 and best == {"alpha": 1.0}
    assert asked[2] == asked[3], "the trial that was killed is run again"
    assert len(resumed) == len(at_once) == 5


def test_a_search_that_was_killed_tries_what_it_would_have_tried(tmp_path):
    from genomicslearning.autopilot.search import Search

    def tried(folder: str, *, seed: int = 5, name: str = "one", in_two: bool = False) -> list[float]:
        (tmp_path / folder).mkdir()
        for trials in (2, 4) if in_two else (4,):
            search = Search(tmp_path / folder, seed=seed)
            _, found = search.best(
                name, DEFINITIONS["token_bayes"], trials, lambda trial: trial.suggest_float("alpha", 0.01, 10, log=True)
            )
            search.close()
        return [one["parameters"]["alpha"] for one in found]

    whole = tried("whole")
    assert tried("in two", in_two=True) == whole and len(set(whole)) == 4
    for other in (tried("seed", seed=6), tried("name", name="two")):
        assert other[0] == whole[0] == 1.0 and not set(other[1:]) & set(whole)


def test_one_class_only(train, tmp_path):
    job = autopilot.start(train.assign(CLASS=1), folder=tmp_path, name="one", progress=quiet)
    with pytest.raises(InputError, match="both 0 and 1"):
        job.wait()
    assert job.status == "Failed"


def test_a_model_folder_with_foreign_types_is_not_loaded(job, tmp_path):
    skops.io.dump({"boosting": subprocess.Popen}, tmp_path / WEIGHTS)
    manifest = json.loads((job.folder / "model" / MANIFEST).read_text())
    (tmp_path / MANIFEST).write_text(integrity.sealed(manifest, (tmp_path / WEIGHTS).read_bytes()))
    with pytest.raises(InputError, match="subprocess.Popen"):
        Model.load(tmp_path)


def test_a_damaged_model_folder(job, tmp_path):
    with pytest.raises(InputError, match="no manifest.json"):
        Model.load(tmp_path)
    (tmp_path / MANIFEST).write_text((job.folder / "model" / MANIFEST).read_text())
    with pytest.raises(InputError, match="no model.skops"):
        Model.load(tmp_path)
    (tmp_path / WEIGHTS).write_bytes((job.folder / "model" / WEIGHTS).read_bytes()[:1000])
    with pytest.raises(InputError, match="the weights are not those of the manifest"):
        Model.load(tmp_path)
    assert zipfile.is_zipfile(job.folder / "model" / WEIGHTS)


def test_scores_threshold_and_calibration():
    y = np.array([0, 0, 1, 1, 0, 1])
    probability = np.array([0.1, 0.4, 0.35, 0.8, 0.2, 0.9])
    assert scores(y, probability)["AUC"] == pytest.approx(8 / 9)
    threshold, f1 = best_threshold(y, probability)
    assert (threshold, f1) == (0.35, pytest.approx(6 / 7))
    rng = np.random.default_rng(0)
    truth = rng.uniform(size=20000)
    labels = (rng.uniform(size=20000) < truth).astype(int)
    overconfident = truth**3 / (truth**3 + (1 - truth) ** 3)
    fitted = calibration(labels, overconfident)
    assert fitted["low"] == pytest.approx(1 / 3, abs=0.03) and fitted["high"] == pytest.approx(1 / 3, abs=0.03)
    np.testing.assert_allclose(calibrated(overconfident, fitted), truth, atol=0.03)
    backwards = calibration(labels, 1 - np.sqrt(truth))
    assert backwards["method"] == "platt"
    np.testing.assert_allclose(calibrated(np.full(3, 0.4), calibration(labels, np.full(20000, 0.4))), labels.mean())


def test_an_ensemble_takes_what_helps_and_nothing_else():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 4000)
    views = {f"view {n}": 1 / (1 + np.exp(-(y - 0.5) - rng.normal(size=4000))) for n in (1, 2)}
    weights = greedy_ensemble(y, views | {"noise": rng.uniform(size=4000), "constant": np.full(4000, 0.5)}, "AUC")
    assert set(weights) == {"view 1", "view 2"} and sum(weights.values()) == pytest.approx(1)
    both = blend([views[name] for name in weights], list(weights.values()))
    assert roc_auc_score(y, both) > max(roc_auc_score(y, view) for view in views.values()) + 0.02


def test_a_tree_of_another_kind_is_refused_by_type():
    trusted = skops.io.get_untrusted_types(data=skops.io.dumps(DecisionTreeClassifier().fit([[0], [1]], [0, 1])))
    from genomicslearning.autopilot.model import TRUSTED

    assert set(trusted) <= set(TRUSTED)
    assert not any(name.startswith(("builtins", "os", "subprocess")) for name in TRUSTED)


def test_canonical_order_is_total(train):
    from genomicslearning.autopilot.cross_validation import canonical_order

    twice = pd.concat([train.head(50), train.head(50).assign(CLASS=1 - train.head(50)["CLASS"])], ignore_index=True)
    one = twice.iloc[canonical_order(twice)].reset_index(drop=True)
    shuffled = twice.sample(frac=1, random_state=3)
    two = shuffled.iloc[canonical_order(shuffled)].reset_index(drop=True)
    pd.testing.assert_frame_equal(one, two)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backend": "cloud"}, "'cloud' is not known; choose one of local, sagemaker"),
        ({"objective": "R2"}, "'R2' is not known"),
        ({"preset": "slow"}, "'slow' is not known"),
        ({"features": "none"}, "'none' is not known"),
        ({"extra_candidates": ["xgb"]}, "'xgb' is not known; choose one of lightgbm"),
        ({"name": "../up"}, "is not a job name"),
        ({"groups": [1, 2]}, "2 ids for 1,500 rows"),
    ],
)
def test_bad_arguments(settings, message, train, tmp_path):
    with pytest.raises(InputError, match=message):
        autopilot.start(train, **({"folder": tmp_path, "name": "x"} | settings))
