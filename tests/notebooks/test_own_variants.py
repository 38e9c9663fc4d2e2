"""The predictor notebook on a VCF of one's own: a ranking with reasons, in the run's report."""

from __future__ import annotations

import gzip
import json

import pandas as pd
import pytest

from genomicslearning import InputError, demo
from genomicslearning.runs import chain
from genomicslearning.runs.validation import check


@pytest.fixture(scope="module")
def scored_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    clinvar, annotated = demo.write(folder / "demo", variants=2000)
    own = folder / "own.vcf"
    with gzip.open(annotated, "rt") as lines:
        kept = [line for line in lines][:400]
    own.write_text("".join(kept))
    given = {
        "clinvar": str(clinvar),
        "annotated": str(annotated),
        "features": "biology",
        "vcf": str(own),
        "ranked": "5",
        "preset": "quick",
        "max_candidates": "2",
    }
    steps = ("data_prep", "variant_classifier-autopilot", "variant_predictor")
    run = folder / "runs" / "own"
    run.mkdir(parents=True)
    chain.execute(run, check(given), steps=steps, progress=lambda text: None)
    return run, kept


def test_the_ranking_shows_the_first_with_reasons(scored_run):
    run, kept = scored_run
    answers = pd.read_csv(run / "own_variants.csv")
    assert len(answers) == sum(line[0] != "#" for line in kept)
    first = answers.sort_values("probability", ascending=False, kind="stable").head(5)
    page = (run / "variant_predictor.html").read_text()
    assert f"The first 5 of {len(answers):,} scored alleles" in page
    for row in first.itertuples():
        assert f"{row.CHROM}:{row.POS} " in page
        assert f"{row.probability:.3f}" in page
    assert "the probability by" in page


def test_the_runs_record_lists_it(scored_run):
    record = json.loads((scored_run[0] / "run.json").read_text())
    assert "own.vcf" in [item["name"] for item in record["inputs"] if item["role"] == "vcf"]
    assert "own_variants.csv" in record["artifacts"]


def test_a_model_that_reads_submitters_is_refused_before_any_work(tmp_path):
    (tmp_path / "own.vcf").write_text("x")
    with pytest.raises(InputError, match="give --features biology"):
        check({"vcf": str(tmp_path / "own.vcf")})
