"""Scoring a VCF: the answers are those of the same variants as a table, and the records stay what they were."""

from __future__ import annotations

import gzip
import itertools
import json

import numpy as np
import pandas as pd
import pysam
import pytest
from places import data_folder
from typer.testing import CliRunner

from genomicslearning import InputError, autopilot
from genomicslearning.autopilot.model import Model
from genomicslearning.cli.app import app
from genomicslearning.endpoint import batch, vcf
from genomicslearning.endpoint.known import submitters
from genomicslearning.history.horizons import with_horizons
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import read_table
from genomicslearning.training_set.unlabelled import why_not

CSQ = (
    '##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequence annotations from Ensembl VEP. Format: '
    'Allele|Consequence|IMPACT|SYMBOL|Feature|ALLELE_NUM">\n'
)
HEADER = "##fileformat=VCFv4.2\n##reference=GRCh37\n" + CSQ
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
MISSENSE = "CSQ=G|missense_variant|MODERATE|BRCA1|ENST1|1"
STATUS = {
    0: "criteria_provided,_multiple_submitters,_no_conflicts",
    1: "criteria_provided,_conflicting_interpretations",
}


@pytest.fixture(scope="module")
def table(demo_pair, tmp_path_factory) -> pd.DataFrame:
    out = tmp_path_factory.mktemp("rows") / "table.parquet"
    build_training_set(clinvar=str(demo_pair[0]), annotated=str(demo_pair[1]), out=str(out))
    return read_table(out).sample(700, random_state=3).reset_index(drop=True)


def trained(table, folder, features):
    silent = dict(preset="quick", max_candidates=2, progress=lambda text: None)
    autopilot.start(table, folder=folder, name=features, features=features, **silent).wait()
    return folder / features / "model"


@pytest.fixture(scope="module")
def model(table, tmp_path_factory):
    return trained(table, tmp_path_factory.mktemp("runs"), "biology")


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Several pieces, as a big file has."""
    monkeypatch.setattr(vcf, "_PIECE_ROWS", 100)


def written(path, records, header=HEADER, samples=""):
    path.write_text(header + COLUMNS + samples + "\n" + "".join(record + "\n" for record in records))
    return path


def record(chrom="1", pos=100, name=".", ref="A", alt="G", info=MISSENSE, rest=""):
    return "\t".join((chrom, str(pos), name, ref, alt, ".", "PASS", info)) + rest


def answers(path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False).assign(
        probability=lambda t: t["probability"].replace("", "nan").astype(float)
    )


def open_text(path):
    return gzip.open(path, "rt") if str(path).endswith("gz") else open(path)


def labelled(source, target):
    """The VCF with a review status of each class in turn, so that the training-set job takes every record."""
    with open_text(source) as lines, gzip.open(target, "wt") as out:
        number = 0
        for line in lines:
            if not line.startswith("#"):
                fields = line.rstrip("\n").split("\t")
                fields[7] = f"{fields[7]};CLNREVSTAT={STATUS[number % 2]}"
                line = "\t".join(fields) + "\n"
                number += 1
            out.write(line)
    return target


def as_a_table(source, model, folder) -> pd.DataFrame:
    """The same variants through the training-set job, a CSV, and the batch prediction of tables."""
    rows = folder / "rows.csv"
    build_training_set(annotated=labelled(source, folder / "labelled.vcf.gz"), out=rows)
    batch.predict_file(model, rows, folder / "of-table.csv")
    return answers(folder / "of-table.csv")


def same_as_a_table(source, model, folder):
    expected = as_a_table(source, model, folder)
    report = vcf.predict_vcf(model, source, folder / "of-vcf.csv")
    found = answers(folder / "of-vcf.csv")
    site = ["CHROM", "POS", "REF", "ALT", "SYMBOL", "predicted_label"]
    assert len(found) == report["rows_written"]
    scored = found[found["not_scored"] == ""].reset_index(drop=True)
    assert scored[site].equals(expected[site])
    assert np.array_equal(scored["probability"], expected["probability"])
    return report


def test_probabilities_are_those_of_the_same_variants_as_a_table(demo_pair, model, tmp_path):
    source = unlabelled(demo_pair[1], tmp_path / "some.vcf", lines=900)
    report = same_as_a_table(source, model, tmp_path)
    assert report["records_read"] == report["alleles_scored"] > 500
    assert report["inputs"][0]["name"] == "some.vcf"


def unlabelled(source, target, lines=None):
    """The VCF's first lines without review status, which `labelled` adds."""
    with open_text(source) as read, open(target, "w") as out:
        for line in itertools.islice(read, lines):
            if not line.startswith("#"):
                fields = line.rstrip("\n").split("\t")
                fields[7] = ";".join(item for item in fields[7].split(";") if not item.startswith("CLNREVSTAT="))
                line = "\t".join(fields) + "\n"
            out.write(line)
    return target


@pytest.mark.parametrize("number", range(2 if data_folder().is_dir() else 1))
def test_whole_files_give_the_probabilities_of_the_same_variants_as_a_table(
    annotated_files, model, tmp_path, monkeypatch, number
):
    monkeypatch.setattr(vcf, "_PIECE_ROWS", 4096)
    source, records = list(annotated_files.items())[number]
    report = same_as_a_table(unlabelled(source, tmp_path / "unlabelled.vcf"), model, tmp_path)
    assert report["records_read"] == report["rows_written"] == records
    assert report["not_scored"] == {}


@pytest.mark.parametrize("number", range(2 if data_folder().is_dir() else 1))
def test_whole_files_come_back_with_two_keys_that_pysam_reads(annotated_files, model, tmp_path, number):
    source, target = list(annotated_files)[number], tmp_path / "out.vcf.gz"
    vcf.predict_vcf(model, source, target)
    vcf.predict_vcf(model, source, tmp_path / "out.csv")
    expected = answers(tmp_path / "out.csv")
    with pysam.VariantFile(str(target)) as file:
        keys = file.header.info
        assert [(keys[key].number, keys[key].type) for key in ("CONFLICT_P", "CONFLICT_LABEL")] == [
            ("A", "Float"), ("A", "Integer"),
        ]  # fmt: skip
        found = [(r.info["CONFLICT_P"], r.info["CONFLICT_LABEL"]) for r in file]
    assert np.array_equal(np.float32([p for p, _ in found]).ravel(), np.float32(expected["probability"]))
    assert [str(label) for _, (label,) in found] == list(expected["predicted_label"])
    with open_text(source) as before, open_text(target) as after:
        records = zip(*([line for line in lines if line[0] != "#"] for lines in (before, after)), strict=True)
        for old, new in records:
            one, other = old.rstrip("\n").split("\t"), new.rstrip("\n").split("\t")
            assert other[:7] + other[8:] == one[:7] + one[8:]
            assert other[7].startswith(f"{one[7]};CONFLICT_P=")


def test_each_alt_has_its_answer_or_its_reason(model, tmp_path):
    several = "CSQ=G|missense_variant|MODERATE|BRCA1|ENST1|1,T|stop_gained|HIGH|BRCA1|ENST1|3"
    source = written(
        tmp_path / "in.vcf",
        [
            record(name="12345"),
            record(pos=101, alt="G,<DEL>,T,*", info=several),
            record(pos=102, alt="."),
            record(pos=103, ref=".", alt="G"),
            record(pos=104, alt="G]17:198982]"),
            record(pos=105, alt="a", name="rs1"),
            record(pos=106, alt="G", info="."),
        ],
    )
    report = vcf.predict_vcf(model, source, tmp_path / "out.csv")
    found = answers(tmp_path / "out.csv")
    reasons = ["", "", "symbolic_allele", "", "spanning_deletion", "no_alternate_allele", "no_reference_allele",
               "breakend", "same_as_reference", ""]  # fmt: skip
    assert list(found["not_scored"]) == reasons
    assert list(found["ALT"]) == ["G", "G", "<DEL>", "T", "*", ".", "G", "G]17:198982]", "a", "G"]
    assert list(found["probability"].isna()) == [why != "" for why in reasons]
    assert list(found["Consequence"][:4]) == ["missense_variant", "missense_variant", "", "stop_gained"]
    assert (found["VARIATION_ID"][0], found["VARIATION_ID"][8]) == ("12345", "")
    assert report["not_scored"] == {why: 1 for why in reasons if why}
    assert (report["records_read"], report["rows_written"], report["alleles_scored"]) == (7, 10, 4)
    assert report["without_annotation"] == 1
    assert json.loads((tmp_path / "out.csv.report.json").read_text()) == report


def test_records_without_an_answer_stay_as_they_are_in_the_vcf(model, tmp_path):
    records = [
        record(alt="G,<DEL>", rest="\tGT:DP\t0/1:9"),
        record(pos=101, alt="<DUP>", info="SVTYPE=DUP", rest="\tGT:DP\t0/1:9"),
        record(pos=102, info=f"X=%3D;{MISSENSE};AF=0.10", rest="\tGT:DP\t./.:."),
    ]
    source = written(tmp_path / "in.vcf", records, samples="\tFORMAT\ta-sample")
    vcf.predict_vcf(model, source, tmp_path / "out.vcf.gz")
    with gzip.open(tmp_path / "out.vcf.gz", "rt") as file:
        lines = [line.rstrip("\n") for line in file if line[0] != "#"]
    assert lines[1] == records[1]
    first = lines[0].split("\t")
    assert first[7].startswith(f"{MISSENSE};CONFLICT_P=0.") and first[7].endswith((",.;CONFLICT_LABEL=1,.",
                                                                                  ",.;CONFLICT_LABEL=0,."))  # fmt: skip
    assert first[8:] == ["GT:DP", "0/1:9"]
    assert lines[2].split("\t")[7].startswith(f"X=%3D;{MISSENSE};AF=0.10;CONFLICT_P=0.")


def test_answers_of_an_earlier_run_are_replaced(model, tmp_path):
    source = written(tmp_path / "in.vcf", [record(), record(pos=200)])
    vcf.predict_vcf(model, source, tmp_path / "once.vcf.gz")
    vcf.predict_vcf(model, tmp_path / "once.vcf.gz", tmp_path / "twice.vcf.gz")
    with gzip.open(tmp_path / "once.vcf.gz", "rt") as once, gzip.open(tmp_path / "twice.vcf.gz", "rt") as twice:
        assert once.read() == twice.read()


def test_a_malformed_record_is_set_aside_and_counted(model, tmp_path):
    source = written(tmp_path / "in.vcf", [record(), record(pos="x"), record(pos=300)])
    report = vcf.predict_vcf(model, source, tmp_path / "out.csv")
    assert (report["records_read"], report["records_written"], report["quarantined"]) == (3, 2, 1)
    assert (tmp_path / "out.csv.quarantine.vcf").read_text().splitlines()[-1] == record(pos="x")


def test_a_model_of_all_features_is_refused_with_the_reason(table, tmp_path):
    folder = trained(table, tmp_path, "all")
    source = written(tmp_path / "in.vcf", [record()])
    with pytest.raises(InputError, match="features `all`, which read what ClinVar's submitters wrote.+`biology`"):
        vcf.predict_vcf(folder, source, tmp_path / "out.csv")
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("options", "header", "message"),
    [
        ({}, HEADER.replace(CSQ, ""), "has no CSQ.+or let it be annotated first .--vep-cache DIR --fasta FA"),
        ({"classification": "CLNSIG"}, HEADER, "only a model of features `prospective` reads it"),
        ({"csq_key": "VEP"}, HEADER, "has no VEP"),
    ],
    ids=["not annotated", "classification", "key"],
)
def test_what_cannot_be_scored_is_refused(model, tmp_path, options, header, message):
    source = written(tmp_path / "in.vcf", [record()], header)
    with pytest.raises(InputError, match=message):
        vcf.predict_vcf(model, source, tmp_path / "out.csv", **options)
    assert [path.name for path in tmp_path.iterdir()] == ["in.vcf"]


def test_a_prospective_model_reads_the_classification_or_says_that_it_goes_without(table, tmp_path):
    prior = np.where(np.arange(len(table)) % 2, "Pathogenic", "Benign")
    taught = table.assign(prior_CLNSIG=pd.Series(prior, dtype="str"), CLASS=(np.arange(len(table)) % 2).astype("int8"))
    folder = trained(taught, tmp_path / "models", "prospective")
    header = HEADER + '##INFO=<ID=SAID,Number=1,Type=String,Description="x">\n'
    records = [record(pos=at, info=f"{MISSENSE};SAID={said}") for at, said in ((1, "Pathogenic"), (2, "Benign"))]
    source = written(tmp_path / "in.vcf", records, header)
    report = vcf.predict_vcf(folder, source, tmp_path / "with.csv", classification="SAID")
    assert not any("goes without" in warning for warning in report["warnings"])
    assert any("in.vcf has no column" in warning for warning in report["warnings"])
    high, low = answers(tmp_path / "with.csv")["probability"]
    assert high > 0.6 > 0.4 > low
    report = vcf.predict_vcf(folder, source, tmp_path / "without.csv")
    assert any("it goes without" in warning for warning in report["warnings"])
    one, other = answers(tmp_path / "without.csv")["probability"]
    assert abs(one - other) < high - low
    single = "CLNREVSTAT=criteria_provided,_single_submitter;CLNSIG=Pathogenic"
    key = '##INFO=<ID=CLNREVSTAT,Number=.,Type=String,Description="x">\n'
    release = written(tmp_path / "clinvar.vcf", [record(pos=1, name="9", info=single)], HEADER.replace(CSQ, key))
    vcf.predict_vcf(folder, source, tmp_path / "known.csv", classification="SAID", clinvar=release)
    note = answers(tmp_path / "known.csv")["clinvar_note"][0]
    assert note == f"about {100 * high:.0f} of 100 such variants conflict once others classify"
    with pytest.raises(InputError, match="no INFO key OTHER"):
        vcf.predict_vcf(folder, source, tmp_path / "x.csv", classification="OTHER")
    states_the_chance_at_each_horizon(folder, source, tmp_path)


def states_the_chance_at_each_horizon(folder, source, place):
    """Of a VCF and of the same variants as a table, and only where the one submission is known."""
    horizons = ["probability_2y", "probability_8y"]
    found = answers(place / "with.csv")
    after = found.columns.get_loc("probability") + 1
    assert list(found.columns[after : after + 2]) == horizons
    assert list(answers(place / "without.csv").columns) == list(vcf.COLUMNS)
    rows = as_frame_of(source).assign(prior_CLNSIG=["Pathogenic", "Benign"])
    expected = with_horizons(
        found.astype({"probability": float}), rows, [2, 8], Model.load(folder).manifest["single_submissions"]
    )
    assert np.array_equal(found[horizons].astype(float), expected[horizons])
    table = pd.concat([rows, rows.head(1).assign(prior_CLNSIG=None)])
    table.to_csv(place / "table.csv", index=False)
    command = ["predict", str(folder), str(place / "table.csv"), str(place / "of-table.csv")]
    assert CliRunner().invoke(app, [*command, "--horizons", "2,8"]).exit_code == 0
    of_table = pd.read_csv(place / "of-table.csv")
    assert list(of_table.columns) == list(batch.with_horizons(batch.PREDICTION_COLUMNS, (2, 8)))
    assert of_table.head(2)[horizons].to_numpy() == pytest.approx(found[horizons].astype(float).to_numpy())
    assert of_table[horizons].iloc[2].isna().all() and of_table["probability"].notna().all()
    refused = CliRunner().invoke(app, [*command, "--horizons", "soon"])
    assert refused.exit_code != 0


def as_frame_of(source) -> pd.DataFrame:
    with vcf.Vcf(source) as file:
        maker = vcf.UnlabelledRows(file, layout=vcf.transcripts.layout(file, None), pick="mane")
        rows: list[bytes] = []
        for lines in file.batches():
            list(maker.of(lines, file.line + 1, rows, []))
    return vcf.as_frame(vcf.to_table(rows, maker.schema))


def test_a_release_says_what_is_known_and_what_is_new(model, tmp_path):
    keys = "".join(f'##INFO=<ID={key},Number=.,Type=String,Description="x">\n' for key in ("CLNREVSTAT", "CLNSIG"))
    single, several, conflict = (
        "criteria_provided,_single_submitter",
        "criteria_provided,_multiple_submitters,_no_conflicts",
        "criteria_provided,_conflicting_classifications",
    )
    release = written(
        tmp_path / "clinvar.vcf",
        [
            record(pos=100, name="11", info=f"CLNREVSTAT={single};CLNSIG=Uncertain_significance"),
            record(pos=200, name="12", info=f"CLNREVSTAT={several};CLNSIG=Benign;CLNSIGSCV=SCV1|SCV2|SCV3"),
            record(pos=300, name="13", ref="AT", alt="A",
                   info=f"CLNREVSTAT={conflict};CLNSIG=Conflicting;CLNSIGCONF=Pathogenic(2)|Benign(1)"),
            record(pos=400, name="14", info="CLNSIG=not_provided"),
        ],
        HEADER.replace(CSQ, keys),
    )  # fmt: skip
    source = written(
        tmp_path / "in.vcf",
        [
            record(chrom="chr1", pos=300, ref="ATT", alt="AT", name="rs5"),
            record(chrom="chr1", pos=100, alt="G,C", name="x"),
            record(chrom="chr1", pos=200),
            record(chrom="chr1", pos=400),
            record(chrom="chr1", pos=500),
        ],
    )
    report = vcf.predict_vcf(model, source, tmp_path / "out.csv", clinvar=release)
    found = answers(tmp_path / "out.csv")
    columns = ["clinvar", "clinvar_id", "clinvar_classification", "clinvar_submitters", "clinvar_note"]
    wording = "not calibrated for single-submitter variants: use rank and percentile"
    assert found[columns].to_numpy().tolist() == [
        ["known", "13", "Conflicting", "3", "classifications conflict already"],
        ["known", "11", "Uncertain_significance", "1", wording],
        ["new", "", "", "", ""],
        ["known", "12", "Benign", "3", "several laboratories agree so far"],
        ["known", "14", "", "", "no germline classification"],
        ["new", "", "", "", ""],
    ]
    assert [item["role"] for item in report["inputs"]] == ["vcf", "clinvar"]
    assert report["clinvar"] == {"known": 4, "new": 2} and "in the release: known 4, new 2" in vcf.summary(report)
    assert not any("assembly" in warning for warning in report["warnings"])
    untold = tmp_path / "untold.vcf"
    untold.write_text("".join(line for line in source.read_text().splitlines(True) if "GRCh37" not in line))
    [doubt] = [one for one in vcf.predict_vcf(model, untold, tmp_path / "o.csv", clinvar=release)["warnings"]
               if "does not say its genome assembly" in one]  # fmt: skip
    assert "holds only if it is GRCh37, as clinvar.vcf is; 4 of its 6 alleles are in there" in doubt
    other = written(tmp_path / "other.vcf", [record()], HEADER.replace("GRCh37", "GRCh38"))
    with pytest.raises(InputError, match="GRCh37.+GRCh38|GRCh38.+GRCh37"):
        vcf.predict_vcf(model, source, tmp_path / "x.csv", clinvar=other)


@pytest.mark.parametrize(
    ("ref", "alt", "why"),
    [
        (b"A", b"G", ""), (b"a", b"gT", ""), (b"N", b"R", ""), (b"A", b"A", "same_as_reference"),
        (b"A", b"*", "spanning_deletion"), (b"A", b"<INS:ME>", "symbolic_allele"), (b"A", b".", "no_alternate_allele"),
        (b"A", b"]13:123]T", "breakend"), (b"A", b".T", "breakend"), (b".", b"T", "no_reference_allele"),
        (b"A", b"-", "allele_is_no_sequence"),
    ],
)  # fmt: skip
def test_why_an_allele_is_not_scored(ref, alt, why):
    assert why_not(ref, alt) == why


def test_submitters_are_counted_where_the_release_tells_them():
    single, agree = "criteria_provided,_single_submitter", "criteria_provided,_multiple_submitters,_no_conflicts"
    assert submitters(single, "", "SCV1|SCV2") == "1"
    assert submitters(agree, "", "") == "2 or more"
    assert submitters(agree, "", "SCV1|SCV2") == "2"
    assert submitters("reviewed_by_expert_panel", "", "SCV1") is None
    conflict = "criteria_provided,_conflicting_interpretations"
    assert submitters(conflict, "Benign(2),Uncertain_significance(4)", "") == "6"


def test_a_vcf_of_another_assembly_than_the_models_is_told_of(model, tmp_path):
    learnt = Model.load(model).manifest["training_set"]["assembly"]
    [other] = {"GRCh37", "GRCh38"} - {learnt}
    warned = {}
    for assembly in (learnt, other):
        source = written(tmp_path / f"{assembly}.vcf", [record()], HEADER.replace("GRCh37", assembly))
        warnings = vcf.predict_vcf(model, source, tmp_path / "out.csv")["warnings"]
        warned[assembly] = [one for one in warnings if "the model learnt from variants of" in one]
    assert warned[learnt] == []
    [told] = warned[other]
    assert told.startswith(f"{other}.vcf is of {other}, the model learnt from variants of {learnt}:")


def test_the_command_scores_a_vcf(model, tmp_path):
    source = written(tmp_path / "in.vcf", [record(), record(pos=200, alt="<DEL>")])
    answer = CliRunner().invoke(app, ["predict", str(model), str(source), str(tmp_path / "out.csv")])
    assert answer.exit_code == 0, answer.output
    assert "2 alleles of 2 records, 1 scored" in answer.stdout
    assert "not scored: symbolic_allele 1" in answer.stdout
    expected = Model.load(model).threshold
    assert json.loads((tmp_path / "out.csv.report.json").read_text())["threshold"] == expected


def test_options_of_a_vcf_are_refused_with_a_table(model, tmp_path):
    table, release = tmp_path / "t.csv", tmp_path / "x.vcf"
    table.write_text("CHROM,POS,REF,ALT\n1,1,A,G\n")
    release.touch()
    answer = CliRunner().invoke(
        app, ["predict", str(model), str(table), str(tmp_path / "o.csv"), "--clinvar", str(release)]
    )
    assert isinstance(answer.exception, InputError)
    assert "--clinvar: goes with a VCF" in str(answer.exception)
