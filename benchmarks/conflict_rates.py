"""Make genomicslearning/history/conflict_rates.json: rates of conflict by class and distance, from public releases.

Run:  python benchmarks/conflict_rates.py --data ../shared/data [--out FILE] [--judge] [--jobs FOLDER]

States of variants with one submitter come from the releases of 2015-11 and 2016-05; what became of them from the
published table (2018-04) and the release of 2026-02. The level of each distance is fitted beside the answers of models
of single submissions of 2016, since those are what it corrects: of one that knows real transitions and, for the short
distance, of one that knows drawn submissions alone, which says more conflicts. Bands are fitted within genes
(`fitted`). What such a table is worth is judged first: fitted on the genes of four fifths and judged by the others.
`--judge` stops there and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import GroupKFold

from genomicslearning import autopilot
from genomicslearning.evaluation.scores import expected_calibration_error
from genomicslearning.history import horizons
from genomicslearning.history.releases import read_release
from genomicslearning.history.splits import gene_groups, split
from genomicslearning.history.submissions import CLASSES, UNCERTAIN, AlignedRelease, stated_class
from genomicslearning.training_set.table import read_table

SEED = 200
DAYS = ("2015-11-16", "2016-05-20")
TABLE_DATE = date(2018, 4, 1)
LATEST = date(2026, 2, 26)
ROUNDED = 3
DECAY = 0.1  # inverse strength of the penalty on bands: so many parameters would follow noise
FREE = 30.0  # what a column is multiplied by that the penalty is hardly to hold
SHUFFLES = 6  # of the genes into fifths, to judge: which fifth the largest genes fall into moves the figures
LEAST_OF_BAND = 20  # variants of a class in a band that has a number of its own


def classes(rows: pd.DataFrame) -> np.ndarray:
    return rows["prior_CLNSIG"].map(stated_class, na_action="ignore").fillna("other").to_numpy(dtype=object)


def beyond(rows: pd.DataFrame, probability: np.ndarray, centre: dict) -> np.ndarray:
    """Log odds by which a model's answers exceed what its training rows of the class showed."""
    return logit(probability) - np.array([logit(centre[name]) for name in classes(rows)])


def design(rows: pd.DataFrame, *, bands: bool) -> tuple[np.ndarray, list[tuple]]:
    """Columns of the correction: class, room for what a model says beyond the class, and bands within each class."""
    said = classes(rows)
    names: list[tuple] = [("level", name) for name in CLASSES] + [("slope",)]
    columns = [said == name for name in CLASSES] + [np.zeros(len(rows))]
    for kind, (bands_of, _) in horizons.BANDS.items() if bands else ():
        values = bands_of(rows)
        for name in CLASSES:
            for band in np.unique(values):
                chosen = (said == name) & (values == band)
                if chosen.sum() >= LEAST_OF_BAND:
                    names.append((kind, name, str(band)))
                    columns.append(chosen)
    return np.column_stack(columns).astype(float), names


def fitted(rows: pd.DataFrame, labels: np.ndarray, answers: list[np.ndarray], *, bands: bool) -> dict:
    """Level by class, slope and bands: a penalised logistic regression, the levels all but free.

    Bands are fitted beside a level of each gene's own, which is then forgotten: else a gene with hundreds of variants
    would make bands of what is its own. Levels and slope are fitted after that, and by how much the bands are
    stretched, so that they are those of all variants.

    Parameters
    ----------
    answers : what each model says `beyond` the class; a row counts once in all.
    """
    matrix, names = design(rows, bands=bands)
    free = np.array([name[0] in ("level", "slope") for name in names])
    stacked = np.tile(matrix, (len(answers), 1))
    stacked[:, names.index(("slope",))] = np.concatenate(answers)
    teach = {"y": np.tile(labels, len(answers)), "sample_weight": np.full(len(stacked), 1 / len(answers))}
    value = np.zeros(len(names))
    columns = stacked[:, free]
    if bands:
        genes = np.tile(gene_groups(rows), len(answers))
        value[~free] = within_genes(stacked, genes, free, **teach)[~free]
        columns = np.column_stack([columns, stacked[:, ~free] @ value[~free]])
    model = LogisticRegression(C=DECAY, fit_intercept=False, solver="newton-cholesky").fit(columns * FREE, **teach)
    value[free] = model.coef_[0][: free.sum()] * FREE
    if bands:
        value[~free] *= model.coef_[0][-1] * FREE
    found: dict = {"level": {}} | ({kind: {} for kind in horizons.BANDS} if bands else {})
    found["slope"] = round(float(value[names.index(("slope",))]), ROUNDED)
    said = classes(rows)
    for name in CLASSES:
        level = value[names.index(("level", name))]
        for kind in horizons.BANDS if bands else ():
            # Centred on the class's mean, so that a row without the evidence stands at the level.
            places = [place for place, one in enumerate(names) if one[:2] == (kind, name)]
            mean = float((matrix[said == name][:, places] @ value[places]).mean()) if (said == name).any() else 0.0
            level += mean
            found[kind][name] = {names[place][2]: round(float(value[place] - mean), ROUNDED) for place in places}
        found["level"][name] = round(float(level), ROUNDED)
    return found


def within_genes(matrix: np.ndarray, genes: np.ndarray, free: np.ndarray, **teach: np.ndarray) -> np.ndarray:
    """Coefficients of the columns beside a level of each gene that has two rows or more, as free as the class's own."""
    several = np.flatnonzero(np.bincount(genes, weights=teach["sample_weight"]) > 1.5)
    own = sparse.csc_array((np.ones(len(genes)), (np.arange(len(genes)), genes)))[:, several]
    scale = np.where(free, FREE, 1.0)
    columns = sparse.hstack([sparse.csr_array(matrix * scale), own * FREE]).tocsr()
    model = LogisticRegression(C=DECAY, fit_intercept=False, solver="newton-cg", max_iter=1000).fit(columns, **teach)
    return model.coef_[0][: len(free)] * scale


def carried(found: dict, rows: pd.DataFrame, answers: np.ndarray) -> np.ndarray:
    """What a fitted correction makes of a model's answers `beyond` the class, as probabilities."""
    said = classes(rows)
    odds = np.array([found["level"][name] for name in said]) + found["slope"] * answers
    for kind, (bands_of, _) in horizons.BANDS.items():
        table = found.get(kind, {})
        odds += [table.get(name, {}).get(band, 0.0) for name, band in zip(said, bands_of(rows), strict=True)]
    return expit(odds)


def counts(rows: pd.DataFrame, labels: np.ndarray) -> dict:
    said = pd.DataFrame({"class": classes(rows), "label": labels}).groupby("class")["label"].agg(["size", "sum"])
    return {name: {"variants": int(row["size"]), "conflicting": int(row["sum"])} for name, row in said.iterrows()}


class Data:
    """States of 2015 and 2016, what became of them, and models' answers for those of 2016."""

    def __init__(self, folder: Path, jobs: Path):
        self.table = read_table(folder / "clinvar_kaggle" / "clinvar_conflicting.csv.zip")
        paths = [folder / "clinvar_tsv" / f"clinvar_{day}_b37.tsv.gz" for day in DAYS]
        latest = folder / "clinvar_2026" / "clinvar_2026-02_half_of_genes_b37.tsv.gz"
        self.now = read_release(latest, assembly="GRCh37")
        self.releases = [read_release(path, assembly="GRCh37") for path in paths]
        # With real transitions among its rows, and of drawn submissions alone. Each distance has the first; the long
        # one has it alone, since beside both it fits the first less well (ECE .033 instead of .028, judged as below).
        self.probability, self.beyond = {}, {}
        for earlier in (paths, paths[1:]):
            self._ask(f"prospective-{len(earlier)}", earlier, jobs)
        self.labels_now = AlignedRelease(self.now, self.test).label()

    def _ask(self, name: str, earlier: list[Path], jobs: Path) -> None:
        """A model's answers, and those beyond the class; the rows that it is asked of are every model's."""
        parts = split(self.table, "time", earlier=earlier, assembly="GRCh37", table_date=TABLE_DATE)
        learning, groups = parts.to_learn_from()
        job = autopilot.start(
            learning, folder=jobs, name=name, features="prospective", groups=groups, seed=SEED,
            progress=lambda text: None,
        )  # fmt: skip
        self.test = parts.test
        self.probability[name] = job.wait().model().predict(self.test)
        self.beyond[name] = beyond(self.test, self.probability[name], horizons.learnt_rates(learning)["classes"])

    def state(self, number: int, labels: pd.Series) -> tuple[pd.DataFrame, np.ndarray]:
        """The table's variants with one submitter in a release, and their label where it is known."""
        then = AlignedRelease(self.releases[number], self.table)
        chosen = then.single & labels.notna().to_numpy()
        return self.table.assign(**then.prior())[chosen], labels[chosen].to_numpy(int)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path(horizons.__file__).with_name("conflict_rates.json"))
    parser.add_argument("--judge", action="store_true")
    parser.add_argument("--jobs", type=Path, help="folder that keeps the model, as benchmarks/evaluation.py has it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = Data(given.data, given.jobs or Path(scratch))
    judge(data)
    if not given.judge:
        given.out.write_text(json.dumps(rates(data), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(given.out)


def rates(data: Data) -> dict:
    """The committed table."""
    in_table = data.table["CLASS"].astype(float)
    then = AlignedRelease(data.releases[1], data.table).label()
    now = AlignedRelease(data.now, data.table).label()
    periods = []
    pairs = ((0, then, date.fromisoformat(DAYS[1])), (0, in_table, TABLE_DATE), (1, in_table, TABLE_DATE))
    for number, labels, end in (*pairs, (0, now, LATEST), (1, now, LATEST)):
        rows, found = data.state(number, labels)
        start = date.fromisoformat(DAYS[number])
        periods.append({"from": str(start), "to": str(end), "days": (end - start).days, "classes": counts(rows, found)})
    start = date.fromisoformat(DAYS[1])
    known = data.labels_now.notna().to_numpy()
    answers = list(data.beyond.values())
    short = fitted(data.test, data.test["CLASS"].to_numpy(), answers, bands=False)
    long = fitted(data.test[known], data.labels_now[known].to_numpy(int), [answers[0][known]], bands=True)
    return {
        "what": "log odds of conflict of variants with one submitter that several laboratories have classified later",
        "made_by": "benchmarks/conflict_rates.py",
        "sources": "ClinVar 2015-11-16, 2016-05-20, 2018-04 (published conflict table), 2026-02-26 (half of the genes)",
        "first": DAYS[0],
        "as_of": str(LATEST),
        "periods": periods,
        "shortest": {"days": periods[0]["days"], "level": difference(periods[0]["classes"], periods[2]["classes"])},
        "corrections": [
            {"days": (TABLE_DATE - start).days, "level": short["level"], "slope": short["slope"]},
            {"days": (LATEST - start).days, **long},
        ],
        "drift": drifts(periods),
        "resolved": {
            "from": str(TABLE_DATE),
            "to": str(LATEST),
            "classes": resolved(data.test[known], data.test["CLASS"][known], data.labels_now[known]),
        },
    }


def resolved(rows: pd.DataFrame, before: pd.Series, after: pd.Series) -> dict:
    """By class, how many variants were in conflict and in agreement, and how many of either are in the other now."""
    came = pd.DataFrame(
        {
            "in_conflict": before == 1,
            "resolved": (before == 1) & (after == 0),
            "in_agreement": before == 0,
            "disputed": (before == 0) & (after == 1),
        }
    )
    found = came.groupby(classes(rows)).sum()
    return {name: {what: int(number) for what, number in row.items()} for name, row in found.iterrows()}


def difference(first: dict, second: dict) -> dict[str, float]:
    """Log odds of each class in one period less those in another, from counts drawn towards all classes'."""
    shared = {"variants": 10, "conflicting": 10 * share_of(first)}
    other = {"variants": 10, "conflicting": 10 * share_of(second)}
    found = {}
    for name in CLASSES:
        one, two = (
            (counts.get(name, {"variants": 0, "conflicting": 0}), prior)
            for counts, prior in ((first, shared), (second, other))
        )
        odds = [logit((c["conflicting"] + p["conflicting"]) / (c["variants"] + p["variants"])) for c, p in (one, two)]
        found[name] = round(float(odds[0] - odds[1]), ROUNDED)
    return found


def share_of(found: dict) -> float:
    return sum(one["conflicting"] for one in found.values()) / sum(one["variants"] for one in found.values())


def drifts(periods: list[dict]) -> dict:
    """How far like classifications differ between periods that end together and begin half a year apart."""
    each = {}
    for end in (str(TABLE_DATE), str(LATEST)):
        first, second = (one["classes"] for one in periods if one["to"] == end)
        each[end] = drift(first, second)
    return {
        "periods": f"of periods that began in {DAYS[0]} and in {DAYS[1]} and ended alike, in {' or '.join(each)}",
        "log_odds": max(each.values(), key=abs),
        "each": each,
    }


def drift(first: dict, second: dict) -> float:
    """Log odds by which like variants of one period conflict more often than those of another, over all classes."""
    weight = {name: second[name]["variants"] for name in first if name in second}
    gap = {
        name: logit((first[name]["conflicting"] + 0.5) / (first[name]["variants"] + 1))
        - logit((second[name]["conflicting"] + 0.5) / (second[name]["variants"] + 1))
        for name in weight
    }
    return round(float(sum(weight[name] * gap[name] for name in gap) / sum(weight.values())), ROUNDED)


def judge(data: Data) -> None:
    """Both distances, the correction fitted on other genes than it is judged by; means over `SHUFFLES` of the genes."""
    for what, labels in (("2018", data.test["CLASS"].astype(float)), ("2026", data.labels_now)):
        known = labels.notna().to_numpy()
        rows, truth = data.test[known], labels[known].to_numpy(int)
        uncertain = classes(rows) == UNCERTAIN
        answers, long = {name: one[known] for name, one in data.beyond.items()}, what == "2026"
        taught = list(answers.values())[: 1 if long else None]
        groups, found = gene_groups(rows), {name: [] for name in answers}
        for seed in range(SEED, SEED + SHUFFLES):
            score = {name: np.zeros(len(rows)) for name in answers}
            for learn, held in GroupKFold(5, shuffle=True, random_state=seed).split(rows, groups=groups):
                one = fitted(rows.iloc[learn], truth[learn], [said[learn] for said in taught], bands=long)
                for name in answers:
                    score[name][held] = carried(one, rows.iloc[held], answers[name][held])
            for name in answers:
                found[name].append(figures(truth, score[name], uncertain))
        for name in answers:
            printed(f"{what} {name}", figures(truth, data.probability[name][known], uncertain))
            printed(f"{what} {name} carried", pd.DataFrame(found[name]).mean().to_dict())
        printed(f"{what} VUS alone", figures(truth, uncertain.astype(float), uncertain))


def figures(truth: np.ndarray, score: np.ndarray, uncertain: np.ndarray) -> dict[str, float]:
    """How well a score ranks and fits."""
    return {
        "n": len(truth),
        "AUC": roc_auc_score(truth, score),
        "AP": average_precision_score(truth, score),
        "within uncertain": roc_auc_score(truth[uncertain], score[uncertain]),
        "ECE": expected_calibration_error(truth, score),
    }


def printed(what: str, found: dict[str, float]) -> None:
    """One line of figures."""
    print(what + ": " + ", ".join(f"{name} {value:.4g}" for name, value in found.items()), flush=True)


if __name__ == "__main__":
    main()
