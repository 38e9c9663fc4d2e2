"""What is refused before any work, and how parameters are read."""

from __future__ import annotations

import json
import shutil

import pytest

from genomicslearning import InputError
from genomicslearning.runs import chain, parameters
from genomicslearning.runs.folder import STEPS
from genomicslearning.runs.validation import check

CSQ = '##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequence annotations. Format: Allele|Consequence">\n'
VCF = f"##fileformat=VCFv4.1\n##reference=GRCh38\n{CSQ}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "x" * 65, "a b", "é", "latest"])
def test_bad_names_are_refused(name, tmp_path):
    with pytest.raises(InputError, match="run name"):
        chain.run({}, name=name, runs_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sed": 1}, "unknown parameter sed; did you mean seed?"),
        ({"seed": "x"}, "parameter seed: 'x' is not an int"),
        ({"strict": "maybe"}, "parameter strict: 'maybe' is not a bool"),
        ({"clinvar": "/nowhere.vcf"}, "/nowhere.vcf: no such file"),
        ({"run_dir": "x"}, "use --name"),
        ({"training_set": "a.csv", "clinvar": "b.vcf"}, "either"),
        ({"split": "time"}, "earlier"),
        ({"split": "diagonal"}, "one of random, gene, time"),
        ({"train_fraction": "1"}, "parameter train_fraction: 1.0 is out of range; it is between 0.01 and 0.99"),
        ({"train_fraction": "1e-9"}, "parameter train_fraction: 1e-09 is out of range"),
        ({"assembly": "hg17"}, "assembly: 'hg17' is not known"),
        ({"lake": "/no/such/lake"}, "/no/such/lake: no such folder \\(given as lake\\)"),
        ({"train_fraction": "nan"}, "train_fraction: nan is out of range"),
        ({"seed": "-1"}, "parameter seed: -1 is out of range"),
        ({"chunk_rows": "0"}, "parameter chunk_rows: 0 is out of range; it is 1 or more"),
        ({"missed": "-1"}, "parameter missed: -1.0 is out of range; it is 0 or more"),
        ({"extra_candidates": "lightgbm catboost"}, "'catboost' is not one of lightgbm"),
        ({"earlier": "[1,2"}, "parameter earlier: '\\[1,2' is not a JSON list of texts"),
        ({"earlier": "[1, 2]"}, "is not a JSON list of texts"),
        ({"horizons": "2 many"}, "'many' is not a whole number of years"),
        ({"table_date": "April 2018"}, "parameter table_date: 'April 2018' is not a date"),
    ],
)
def test_what_can_be_refused_before_any_work_is(given, message, tmp_path):
    with pytest.raises(InputError, match=message.replace("?", r"\?")):
        chain.run(given, name="r", runs_dir=str(tmp_path))
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("rows", "split", "message"),
    [
        ("0A 0A 1A 1A 0A 1A 0A 1A", "gene", "all rows are in one gene group"),
        ("0A 1A 0A 1A 0A 1A 0B 1B", "gene", "all rows to learn from are in one gene group, two are needed"),
        ("0A 0A 0A 0A 1B 1B 1B 1B", "gene", "split gene: the training side has 4 rows and 1 class"),
        ("0A 0B 0C 0D 0E 0F 1G 1H", "random", "split random: the test side has 2 rows and 1 class"),
    ],
)
def test_a_table_that_cannot_be_split_so_is_refused_before_any_work(rows, split, message, tmp_path):
    lines = [f"1,{number},A,G,{row[0]},{row[1]}" for number, row in enumerate(rows.split(), 1)]
    (tmp_path / "t.csv").write_text("\n".join(["CHROM,POS,REF,ALT,CLASS,SYMBOL", *lines, ""]))
    with pytest.raises(InputError, match=rf"t\.csv: .*{message}"):
        chain.run({"training_set": str(tmp_path / "t.csv"), "split": split}, name="r", runs_dir=str(tmp_path))
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("horizons", 8, r"8 is no str; it is a text, in quotes.* \(papermill: -r horizons 8\)"),
        ("horizons", [2, 8], r"\[2, 8\] is no str"),
        ("extra_candidates", None, "None is no str; .* for none"),
        ("table_date", 20180401, "20180401 is no str"),
        ("confirm_cost", "false", "'false' is no bool; it is True or False, without quotes"),
        ("earlier", 5, "5 is no str; it is a list of texts, or a text"),
    ],
)
def test_a_value_of_another_type_is_refused_with_how_it_is_written(name, value, words):
    step = "variant_classifier-autopilot"
    with pytest.raises(InputError, match=f"parameter {name}: {words}"):
        parameters.check_types({name: value}, parameters.of(step))


def test_values_of_the_right_types_pass_a_path_and_a_list_too(tmp_path):
    known = parameters.of("data_prep") | parameters.of("variant_classifier-autopilot")
    earlier = [tmp_path / "a", "b"]
    fits = {"clinvar": tmp_path / "a.vcf", "training_set": "", "strict": True, "earlier": earlier, "seed": 7}
    parameters.check_types(fits, known)
    assert parameters.read_list("earlier", earlier) == [str(tmp_path / "a"), "b"]
    assert parameters.read({"earlier": earlier}, known)["earlier"] == json.dumps([str(tmp_path / "a"), "b"])


def test_the_watch_list_has_a_release_of_its_own(tmp_path):
    for name in ("table.csv", "trained.vcf", "trained.vep.vcf", "watched.vcf"):
        (tmp_path / name).write_text(VCF)
    table, trained, annotated, watched = map(str, sorted(tmp_path.iterdir()))
    rows = "".join(f"1,{place},A,G,{place % 2}\n" for place in range(1, 101))
    (tmp_path / "table.csv").write_text(f"CHROM,POS,REF,ALT,CLASS\n{rows}")
    beside = check({"training_set": table, "watchlist_clinvar": watched})
    assert (beside["training_set"], beside["watchlist_clinvar"]) == (table, watched)
    own = check({"clinvar": trained, "annotated": annotated})
    assert (own["watchlist_clinvar"], own["watchlist_annotated"]) == (trained, annotated), "else the run's own"
    other = check({"clinvar": trained, "annotated": annotated, "watchlist_clinvar": watched})
    assert other["watchlist_clinvar"] == watched and "watchlist_annotated" not in other, "releases are not mixed"
    with pytest.raises(InputError, match="watchlist_annotated goes with watchlist_clinvar"):
        check({"training_set": table, "watchlist_annotated": watched})
    with pytest.raises(InputError, match="/nowhere.vcf: no such file .given as watchlist_clinvar"):
        check({"watchlist_clinvar": "/nowhere.vcf"})


def test_headers_are_looked_at_before_any_work(tmp_path):
    text, bare, annotated = (str(tmp_path / name) for name in ("text.vcf", "bare.vcf", "annotated.vcf"))
    (tmp_path / "text.vcf").write_text("no VCF\n")
    (tmp_path / "bare.vcf").write_text(VCF.replace(CSQ, "").replace("GRCh38", "GRCh37"))
    (tmp_path / "annotated.vcf").write_text(VCF)
    with pytest.raises(InputError, match="text.vcf: not a VCF"):
        check({"clinvar": text})
    with pytest.raises(InputError, match="bare.vcf: the header has no CSQ"):
        check({"clinvar": bare, "annotated": bare})
    with pytest.raises(InputError, match="different genome assemblies: .*GRCh37"):
        check({"clinvar": bare, "annotated": annotated})
    assert check({"clinvar": bare})["clinvar"] == bare


def test_earlier_releases_are_looked_at_before_any_work(tmp_path):
    release = tmp_path / "release.tsv"
    header = "chrom\tpos\tref\talt\treview_status\tclinical_significance\n"
    release.write_text(header + "1\t5\tA\tG\tcriteria provided, single submitter\tBenign\n")
    with pytest.raises(InputError, match="assembly: 'GRCh12' is not known"):
        check({"earlier": str(release), "assembly": "GRCh12"})
    assert json.loads(check({"earlier": str(release), "assembly": "GRCh37"})["earlier"]) == [str(release)]
    later = shutil.copy(release, tmp_path / "clinvar_2026-02-26.tsv")
    older = shutil.copy(release, tmp_path / "clinvar_2016-05-20.tsv")
    for named, day, message in (
        ([later, older], "", "clinvar_2026-02-26.tsv is not older than clinvar_2016-05-20.tsv"),
        ([older, older], "", "clinvar_2016-05-20.tsv is not older than clinvar_2016-05-20.tsv"),
        ([older, later], "2018-04-01", "clinvar_2026-02-26.tsv is of 2026-02-26, the table of 2018-04-01"),
    ):
        with pytest.raises(InputError, match=message):
            check({"earlier": json.dumps([str(one) for one in named]), "assembly": "GRCh37", "table_date": day})
    release.write_text("a\tb\n")
    with pytest.raises(InputError, match="release.tsv:1: neither a VCF nor a tab-delimited release"):
        check({"earlier": str(release), "assembly": "GRCh37"})


def test_text_from_the_command_line_is_read_as_the_parameter_s_type():
    known = parameters.of("data_prep") | parameters.of("variant_classifier-autopilot")
    values = parameters.read({"strict": "false", "seed": "3", "train_fraction": "0.7", "pick": "first"}, known)
    assert values == {"strict": False, "seed": 3, "train_fraction": 0.7, "pick": "first"}
    for words, meant in ((("true", "True", "1", "yes", True), True), (("false", "FALSE", "0", "no", False), False)):
        assert all(parameters.read({"strict": word}, known) == {"strict": meant} for word in words)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"seed": True}, "True is no number"),
        ({"seed": 3.5}, "3.5 is no whole number"),
        ({"seed": 2**32}, "4294967296 is out of range"),
        ({"threshold": float("-inf")}, "-inf is out of range"),
        ({"train_fraction": 0.009}, "out of range"),
    ],
)
def test_numbers_beyond_what_they_may_be_are_refused(given, words):
    parameters.check({"seed": 0, "train_fraction": 0.01, "threshold": -2.5, "extra_candidates": "lightgbm lightgbm"})
    parameters.check({"seed": 2**32 - 1, "train_fraction": 0.99, "threshold": 1})
    with pytest.raises(InputError, match=words):
        parameters.check(given)


def test_a_list_has_no_empty_text():
    assert parameters.read_list("earlier", '["a", "b"]') == ["a", "b"]
    with pytest.raises(InputError, match="not a JSON list of texts"):
        parameters.read_list("earlier", '["a", ""]')


@pytest.mark.parametrize("step", STEPS)
def test_papermill_reads_the_same_parameters(step):
    import papermill

    ours = parameters.of(step)
    theirs = papermill.inspect_notebook(str(parameters.notebook(step)))
    assert list(ours) == list(theirs)
    for name, parameter in ours.items():
        assert theirs[name]["inferred_type_name"] == parameter.type
        assert theirs[name]["help"] == parameter.help != ""


def test_parameters_that_several_notebooks_have_mean_the_same():
    meanings = {}
    for step in STEPS:
        for name, parameter in parameters.of(step).items():
            assert meanings.setdefault(name, (parameter.type, parameter.default)) == (parameter.type, parameter.default)
