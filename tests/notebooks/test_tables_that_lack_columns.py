"""ClinVar of today without VEP, and tables that lack columns: what cannot be said is null with its reason."""

from __future__ import annotations

import gzip
import json
import math

import matplotlib
import nbformat
import pandas as pd
import pytest
from places import data_folder

from genomicslearning.evaluation import quality, split_comparison, strata
from genomicslearning.features import FEATURE_SETS, VariantFeatures
from genomicslearning.history.splits import gene_groups, split
from genomicslearning.report import display as displayed
from genomicslearning.runs import parameters
from genomicslearning.runs.folder import STEPS, Run
from genomicslearning.training_set.table import COLUMNS, SITE_COLUMNS, VEP_COLUMNS

matplotlib.use("agg")
OPTIONAL = [column for column in COLUMNS if column not in (*SITE_COLUMNS, "CLASS")]
ACCOUNTING = {"quarantined": 0, "records_read": 1}


@pytest.fixture(scope="module")
def release(demo_pair, tmp_path_factory):
    """Every fortieth record of the release of 2026, else the embedded sample's own release."""
    if not data_folder().is_dir():
        return demo_pair[0]
    source = data_folder() / "clinvar_2026" / "clinvar_20260226_GRCh38_excerpt.vcf.gz"
    path = tmp_path_factory.mktemp("release") / "clinvar.vcf.gz"
    with gzip.open(source, "rb") as lines, gzip.open(path, "wb", compresslevel=1) as out:
        records = 0
        for line in lines:
            records += not line.startswith(b"#")
            if line.startswith(b"#") or records % 40 == 0:
                out.write(line)
    return path


@pytest.fixture
def shown(monkeypatch):
    """What the notebooks' cells display, in this process in place of a kernel."""
    outputs = []
    monkeypatch.setattr(displayed, "display", lambda data, **_: outputs.append(data))
    return outputs


def execute(step: str, **given) -> None:
    """Every cell of a notebook, as a person executes it, with these parameters where it has them."""
    names: dict = {}
    for cell in nbformat.read(parameters.notebook(step), as_version=4).cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
        if "parameters" in cell.metadata.get("tags", []):
            names |= {name: value for name, value in given.items() if name in names}


def execute_all(folder, **given) -> dict:
    for step in STEPS:
        execute(step, run_dir=str(folder), preset="quick", max_candidates=2, **given)
    return json.loads((folder / "metrics.json").read_text())


def check_whole(folder, metrics: dict) -> None:
    """No figure is missing without its reason, and none is NaN."""
    assert all(math.isfinite(value) for value in metrics.values() if isinstance(value, float))
    nulls = {f"baselines.{name}" for name, figures in metrics["baselines"].items() if figures is None}
    nulls |= {name for name, value in metrics.items() if value is None}
    assert nulls == set(metrics["notes"])
    assert len(Run(folder).read_predictions()) == metrics["n"] == len(Run(folder).read_test())


@pytest.mark.parametrize("features", sorted(FEATURE_SETS))
def test_todays_clinvar_without_vep(release, features, shown, tmp_path):
    metrics = execute_all(tmp_path, clinvar=str(release), features=features)
    check_whole(tmp_path, metrics)
    assert metrics["baselines"]["cadd"] is None and "CADD" in metrics["notes"]["baselines.cadd"]
    assert metrics["baselines"]["majority"]["roc_auc"] == 0.5
    assert metrics["baselines"]["allele_frequency"]["roc_auc"] > 0.5
    assert metrics["features"] == features and metrics["roc_auc"] > 0.6
    assert not (tmp_path / "watchlist").exists() and roles(tmp_path) == {"clinvar"}
    said = [text for data in shown for text in map(str, data.values()) if "a model of the published table" in text]
    assert said and all("expect a weaker model" in text and "CADD_PHRED" in text for text in said)
    tables = [data["text/html"] for data in shown if "text/html" in data]
    assert any("CADD alone" in markup and "no training row has a CADD score" in markup for markup in tables)
    execute("evaluation", run_dir=str(tmp_path), watchlist_clinvar=str(release))
    again = json.loads((tmp_path / "metrics.json").read_text())
    assert again == metrics, "the watch list changes no figure"
    assert (tmp_path / "watchlist" / "watchlist.csv").is_file() == (features != "all")
    assert roles(tmp_path) == {"clinvar", "watchlist_clinvar"}


def roles(folder) -> set[str]:
    """What the files that a run has read were to it."""
    return {item["role"] for item in json.loads((folder / "run.json").read_text())["inputs"]}


@pytest.mark.parametrize(
    "lacking",
    [
        ("CADD_PHRED", "CADD_RAW"),
        VEP_COLUMNS,
        ("AF_ESP", "AF_EXAC", "AF_TGP"),
        ("CLNDN", "CLNDISDB", "CLNVI", "ORIGIN", "CLNDNINCL", "CLNDISDBINCL", "CLNSIGINCL"),
        tuple(OPTIONAL),
    ],
    ids=["CADD", "VEP", "frequencies", "submissions", "all"],
)
def test_a_table_without(lacking, labelled_table, shown, tmp_path):
    rows = labelled_table.sample(n=900, random_state=3).drop(columns=list(lacking))
    rows.to_csv(tmp_path / "mine.csv", index=False)
    metrics = execute_all(tmp_path / "run", training_set=str(tmp_path / "mine.csv"))
    check_whole(tmp_path / "run", metrics)
    assert (metrics["baselines"]["cadd"] is None) == ("CADD_PHRED" in lacking)


@pytest.mark.parametrize("column", OPTIONAL)
def test_a_table_without_one_column(column, labelled_table):
    table = labelled_table.sample(n=600, random_state=3).reset_index(drop=True)
    table[column] = pd.Series(float("nan"), index=table.index, dtype="str")
    parts = split(table)
    for features in FEATURE_SETS:
        found = VariantFeatures(features).fit(parts.train).transform(parts.test)
        assert len(found) == len(parts.test)
    probability = parts.test["CLASS"] * 0.5 + 0.2
    figures, differences = split_comparison.baseline_table(parts.train, parts.test, probability)
    facts = split_comparison.baseline_metrics(figures)
    assert (facts["baselines"]["cadd"] is None) == (column == "CADD_PHRED")
    assert differences["p_holm"].notna().all()
    assert len(gene_groups(table)) == len(table) and quality.warnings(table, ACCOUNTING)
    for name, groups in strata.groupings(parts.test).items():
        performance = strata.stratum_table(parts.test["CLASS"], probability, groups)
        assert performance["rows"].sum() == groups.notna().sum(), name
