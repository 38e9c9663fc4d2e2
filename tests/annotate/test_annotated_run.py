"""From a bare VCF to a report, and from one's own VCF to probabilities, with the real annotator."""

from __future__ import annotations

import json

import nbformat
import pandas as pd
import pytest
from test_real_cache import many  # noqa: F401  a fixture
from typer.testing import CliRunner

from genomicslearning import InputError, share
from genomicslearning.cli.app import app
from genomicslearning.endpoint.vcf import annotate_and_predict
from genomicslearning.io.run_record import load
from genomicslearning.runs import chain
from genomicslearning.runs.folder import STEPS, Run
from genomicslearning.runs.opening import OpenRun, open_run
from genomicslearning.runs.validation import check


@pytest.fixture(scope="module")
def annotated_run(many, slice_cache, users_cache, tmp_path_factory):  # noqa: F811
    clinvar, _, fasta = many
    folder = tmp_path_factory.mktemp("run")
    given = {"clinvar": str(clinvar), "vep_cache": str(slice_cache), "fasta": str(fasta), "features": "biology"}
    told: list[str] = []
    index = chain.run(
        given | {"preset": "quick", "max_candidates": "2"}, name="bare", runs_dir=str(folder), progress=told.append
    )
    return index.parent, told


def test_a_run_annotates_first_and_shows_it(annotated_run):
    folder, told = annotated_run
    record = json.loads((folder / "run.json").read_text())
    assert [(step["name"], step["status"]) for step in record["steps"]] == [
        (name, "done") for name in ("annotate", *STEPS)
    ]
    assert "data/clinvar.annotated.vcf.gz" in record["artifacts"]
    assert record["parameters"]["vep_cache"].endswith("vep_cache/115_GRCh38")
    assert {item["role"] for item in record["inputs"]} >= {"clinvar", "annotated"}
    table = pd.read_parquet(folder / "data" / "training_set.parquet")
    assert len(table) == 306
    assert set(table["SYMBOL"]) == {"CCT8L2"}
    assert len(pd.read_csv(folder / "watchlist" / "watchlist.csv")) == 20
    page = (folder / "annotate.html").read_text()
    assert "annotated by vepyr" in page and "CADD_PHRED" in page
    assert 'href="annotate.html"' in (folder / "index.html").read_text()


def test_it_is_resumed_and_annotates_again_only_what_changed(annotated_run):
    folder, _ = annotated_run
    told: list[str] = []
    chain.run({}, name="bare", runs_dir=str(folder.parent), resume=True, progress=told.append)
    assert [line for line in told if "unchanged" in line] == [
        f"[{number}/5] {name}: unchanged, kept" for number, name in enumerate(("annotate", *STEPS), 1)
    ]


def test_ones_own_bare_vcf_is_annotated_and_scored(annotated_run, many, slice_cache, users_cache, tmp_path):  # noqa: F811
    clinvar, _, fasta = many
    lines = clinvar.read_text().splitlines()
    own = [
        line.rsplit("\t", 1)[0] + "\t." if line[0] != "#" else line for line in lines[:200] if "AF_EXAC,N" not in line
    ]
    source = tmp_path / "own.vcf"
    source.write_text("\n".join(own) + "\n")
    model = Run(annotated_run[0]).model
    report = annotate_and_predict(model, source, tmp_path / "out.csv", vep_cache=slice_cache, fasta=fasta)
    found = pd.read_csv(tmp_path / "out.csv")
    assert len(found) == report["alleles_scored"] == sum(line[0] != "#" for line in own)
    assert found["SYMBOL"].eq("CCT8L2").all() and found["probability"].between(0, 1).all()
    assert report["annotation"]["program"].startswith("vepyr")
    assert json.loads((tmp_path / "out.csv.report.json").read_text())["annotation"]["cache"] == "115_GRCh38"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"vep_cache": "x"}, "needs all three"),
        ({"fasta": "x", "clinvar": "y"}, "needs all three"),
        ({"vep_cache": "x", "fasta": "y", "clinvar": "z", "annotated": "a"}, "not both"),
    ],
)
def test_options_that_do_not_go_together_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        check(given)


@pytest.fixture
def by_hand(stand_in, tmp_path, monkeypatch):
    """A function that executes the notebook `annotate` as a person does, with some parameters edited."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    notebook = nbformat.read(share("notebooks", "annotate.ipynb"), as_version=4)

    def execute(**given) -> OpenRun:
        names: dict = {}
        for cell in notebook.cells:
            if cell.cell_type == "code":
                exec(cell.source, names)
                if "parameters" in cell.metadata.get("tags", []):
                    names |= given | {"annotator": str(stand_in)}
        return names["run"]

    return execute


def test_by_hand_it_opens_a_run_that_data_prep_goes_on_with(by_hand, fasta, converted_cache, tmp_path, capsys):
    bare = tmp_path / "mine.vcf"
    bare.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n1\t9\t7\tN\tG\t.\t.\t.\n")
    given = {"clinvar": str(bare), "vep_cache": str(converted_cache), "fasta": str(fasta)}
    run = by_hand(**given)
    assert run.folder.parent == tmp_path / "home" / "genomicslearning" / "runs"
    record = load(run.folder)
    assert (record["status"], record["steps"][0]["status"]) == ("unfinished", "done")
    assert [step["name"] for step in record["steps"]] == ["annotate", *STEPS]
    roles = {item["role"]: item["name"] for item in record["inputs"]}
    assert roles == {"clinvar": "mine.vcf", "fasta": "reference.fa", "vep_cache": converted_cache.name,
                     "annotator": "vepyr 0.10.0"}  # fmt: skip
    assert "data/clinvar.annotated.vcf.gz" in capsys.readouterr().out
    opened = open_run("", step="data_prep", given={"clinvar": "", "annotated": ""}, say=lambda text: None)
    assert opened.folder == run.folder
    assert opened.inputs_before == {"clinvar": str(bare), "annotated": str(run.annotated)}
    # The same again makes nothing stale; another FASTA does.
    assert by_hand(**given).folder == run.folder
    before = load(run.folder)["steps"][0]["fingerprint"]
    fasta.write_text(fasta.read_text().replace("N", "A"))
    by_hand(**given)
    assert load(run.folder)["steps"][0]["fingerprint"] != before


def test_by_hand_with_nothing_given_no_run_is_opened(by_hand, tmp_path):
    by_hand()
    assert not (tmp_path / "cache").exists() and not (tmp_path / "home").exists()
    with pytest.raises(InputError, match="give all three"):
        by_hand(clinvar="x.vcf")
    assert not (tmp_path / "home").exists()


def test_the_watch_list_annotates_a_bare_release(annotated_run, many, slice_cache, users_cache, tmp_path):  # noqa: F811
    """The command finds what the run's own step found, with the run's model, in the release as it is downloaded."""
    clinvar, _, fasta = many
    folder, _ = annotated_run
    annotating = ["--clinvar", clinvar, "--vep-cache", slice_cache, "--fasta", fasta]
    words = ["watchlist", *annotating, "--model", folder, "--out", tmp_path / "watch"]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    found, expected = (
        pd.read_csv(place / "watchlist.csv", dtype=str, keep_default_na=False)
        for place in (tmp_path / "watch", folder / "watchlist")
    )
    assert len(found) == 20 and set(found["gene"]) == {"CCT8L2"}
    pd.testing.assert_frame_equal(found, expected)
