"""The watch list: every single-submitter variant, ranked, explained, escaped."""

import gzip
import json
import re
import shutil
from types import SimpleNamespace
from urllib.parse import quote

import nbformat
import numpy as np
import pandas as pd
import pytest
from browser import (
    HOSTILE,
    NARROW,
    WIDE,
    chromium,
    listener,
    open_at,
    print_at_a4,
    serious_findings,
    shows_text_alone,
)  # fmt: skip
from typer.testing import CliRunner

from genomicslearning import InputError, autopilot, share, watchlist
from genomicslearning.autopilot.model import Model
from genomicslearning.cli.app import app
from genomicslearning.demo import sample
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import read_table
from genomicslearning.watchlist.filter_page import write_page

HEADER = (
    "##fileformat=VCFv4.1\n##fileDate=2026-02-26\n##reference=GRCh37\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
)
SINGLE = "criteria_provided,_single_submitter"


def record(position, name, status=SINGLE, **info) -> str:
    entries = {"CLNREVSTAT": status, "CLNHGVS": f"NC_000001.10:g.{position}A>G", "GENEINFO": "TTN:1"} | info
    text = ";".join(f"{key}={value}" for key, value in sorted(entries.items()))
    return f"1\t{position}\t{name}\tA\tG\t.\t.\t{text}\n"


@pytest.fixture(scope="module")
def models(demo_pair, tmp_path_factory):
    """Model folders on the embedded sample: a linear one a feature set."""
    folder = tmp_path_factory.mktemp("models")
    clinvar, annotated = demo_pair
    build_training_set(clinvar=clinvar, annotated=annotated, out=folder / "sample.parquet")
    table = read_table(folder / "sample.parquet")
    rng = np.random.default_rng(0)
    said = np.where(table["CLASS"] == 1, "Uncertain_significance", "Benign")
    swapped = rng.random(len(table)) < 0.3
    table["prior_CLNSIG"] = np.where(swapped, "Likely_benign", said)
    table["prior_CLNDN"], table["prior_review_status"] = "not_specified", "criteria provided, single submitter"
    made = {}
    for features in ("biology", "prospective"):
        given = {"folder": folder, "name": features, "preset": "quick", "max_candidates": 2}
        autopilot.start(table, features=features, progress=lambda text: None, **given).wait()
        made[features] = folder / features / "model"
    return made


def read(folder) -> pd.DataFrame:
    return pd.read_csv(folder / "watchlist.csv", dtype=str, keep_default_na=False)


def test_hostile_text_is_text_everywhere(models, tmp_path):
    release = tmp_path / "release.vcf"
    release.write_text(
        HEADER
        + record(10, 1, CLNSIG="Benign", CLNDN="</script><script>alert(1)</script>")
        + record(20, 2, CLNSIG='"><img_src=x_onerror=alert(1)>', CLNDN='=HYPERLINK("x"),_comma')
        + record(30, 3, status="criteria_provided,_multiple_submitters,_no_conflicts", CLNSIG="Benign")
        + record(40, "javascript:alert(1)", CLNSIG="Pathogenic", GENEINFO="<i>X</i>:1")
    )
    summary = watchlist.build(clinvar=release, model=models["biology"], out=tmp_path / "out")
    assert summary["variants"] == 3
    page = (tmp_path / "out" / "watchlist.html").read_text()
    assert page.count("<script>") == 1 and "<img" not in page and "<i>X" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert 'href="javascript' not in page
    assert not re.findall(r'(?:src|href)="(?!https://www\.ncbi\.nlm\.nih\.gov/clinvar/variation/\d+/")', page)
    assert "default-src 'none'" in page
    rows = read(tmp_path / "out").set_index("POS")
    assert rows.loc["20", "condition"] == '\'=HYPERLINK("x"),_comma'
    assert rows.loc["40", "link"] == "" and rows.loc["10", "link"].endswith("/variation/1/")


def test_hostile_text_stays_text_in_a_browser(models, tmp_path):
    """ClinVar's text as its VCF would carry it: percent codes, which the page decodes."""
    with chromium() as browser, listener() as (address, asked):
        text = " ".join(HOSTILE).format(address)
        quoted = quote(text, safe="")
        bare = re.sub(r"[\s;=,|:]", "_", text)
        release = tmp_path / "<script>document.title=1<!--.vcf"
        release.write_text(
            HEADER.replace("2026-02-26", text)
            + record(10, 1, CLNSIG=quoted, CLNDN=quoted, CLNHGVS=quoted, GENEINFO=f"{bare}:1", MC=quoted)
            + record(20, bare, CLNSIG="Benign", CLNDN=bare)
        )
        summary = watchlist.build(clinvar=release, model=models["biology"], out=tmp_path / "out")
        assert summary["variants"] == summary["shown"] == 2
        shows_text_alone(browser, tmp_path / "out" / "watchlist.html")
        assert asked == []


def test_a_run_goes_on_without_a_list_where_no_variant_has_one_submitter(models, tmp_path, capsys):
    """The cell of the notebook: such a file, cut out of a release, is no reason to fail the step."""
    release = tmp_path / "release.vcf"
    release.write_text(HEADER + record(30, 3, status="criteria_provided,_multiple_submitters,_no_conflicts"))
    notebook = nbformat.read(share("notebooks", "evaluation.ipynb"), as_version=4)
    [cell] = [cell.source for cell in notebook.cells if "watchlist.build(" in cell.source]
    names = {"watchlist": watchlist, "job": {"features": "biology"}, "model": Model.load(models["biology"])}
    names |= {"watchlist_clinvar": str(release), "watchlist_annotated": ""}
    exec(cell, names | {"run": SimpleNamespace(model=models["biology"], folder=tmp_path)})
    said = capsys.readouterr().out
    assert "No watch list: " in said and "no variant with `criteria provided, single submitter`" in said
    assert not (tmp_path / "watchlist").exists()


def test_without_transitions_the_probability_is_marked(models, tmp_path):
    release = tmp_path / "release.vcf"
    release.write_text(HEADER + "".join(record(10 * n, n, CLNSIG="Benign", AF_EXAC=f"0.00{n}") for n in range(1, 9)))
    summary = watchlist.build(clinvar=release, model=models["biology"], out=tmp_path / "out", shown=3)
    assert not summary["calibrated"] and "NOT CALIBRATED" in summary["meaning"]
    assert re.search(
        r"features biology\) and .* [\d,]+ variants .* does not know what becomes of a single sub", summary["learnt"]
    )
    assert ">Probability, not calibrated<" in (tmp_path / "out" / "watchlist.html").read_text()
    rows = read(tmp_path / "out")
    assert rows["rank"].tolist() == [str(n) for n in range(1, 9)]
    assert rows["percentile"].tolist()[0] == "100.00"
    assert rows["probability"].astype(float).is_monotonic_decreasing
    assert set(rows["meaning"]) == {"not calibrated for single-submitter variants: use rank and percentile"}
    assert (rows["reason_1"] != "").tolist() == [True] * 3 + [False] * 5, "only the listed rows are explained"
    assert summary["expected_conflict"]["given"] is False
    assert "takes two kinds of conflict with 200 variants" in summary["expected_conflict"]["why"]
    assert json.loads((tmp_path / "out" / "watchlist.json").read_text()) == summary
    assert (
        "chance that classifications conflict given that several" in (tmp_path / "out" / "watchlist.html").read_text()
    )


def test_with_transitions_it_has_a_meaning_and_reads_the_submission(models, tmp_path):
    release = tmp_path / "release.vcf"
    release.write_text(
        HEADER
        + record(10, 1, CLNSIG="Uncertain_significance", CLNDN="not_specified")
        + record(20, 2, CLNSIG="Benign", CLNDN="not_specified")
    )
    summary = watchlist.build(clinvar=release, model=models["prospective"], out=tmp_path / "out")
    assert summary["calibrated"]
    rows = read(tmp_path / "out")
    assert rows["VARIATION_ID"].tolist() == ["1", "2"], "uncertain significance comes first, as it was learnt"
    meaning = r"about \d+ of 100 such variants conflict once others classify"
    assert re.fullmatch(meaning, rows["meaning"][0])
    assert "It changes with the time that passes: probability_2y and probability_8y" in summary["meaning"]
    page = (tmp_path / "out" / "watchlist.html").read_text()
    assert "It changes with the time that passes" in page and f"<p>{summary['why_lower']}</p>" in page
    assert "since conflicts get resolved" in summary["why_lower"]
    assert "of most of them one submission was drawn" in summary["learnt"] and f"<p>{summary['learnt']}</p>" in page
    assert (
        "Below each probability: 2y and 8y: so many years after the release.<" in page and "ranked by both" not in page
    )
    ahead = rows.loc[0, ["probability_2y", "probability_8y"]].astype(float)
    assert 0 < ahead["probability_2y"] < ahead["probability_8y"] < 1
    assert rows["reason_1"][0].startswith("submitted as Uncertain significance for not specified (raises")


def test_a_list_learns_from_its_release_and_from_earlier_ones(demo_pair, tmp_path):
    """What others will submit is learnt between the releases, and the list can be ranked by both chances."""
    earlier = sample.write_earlier(tmp_path)
    said = []
    given = {"clinvar": demo_pair[0], "earlier": earlier, "rank_by": "both", "shown": 3, "progress": said.append}
    summary = watchlist.build(out=tmp_path / "out", **given)
    assert "had a single submitter in clinvar_2015-11-16.vcf.gz, clinvar_2016-05-20.vcf.gz" in summary["learnt"]
    assert summary["ranked_by"].startswith("the chance that another laboratory classifies it")
    assert summary["second_submission"]["variants"] > 1000 and summary["shown"] == 3
    assert any(line == f"watchlist: {summary['second_submission']['words']}" for line in said)
    rows = read(tmp_path / "out")
    chances = ["probability", "probability_2y", "probability_8y", "probability_second", "probability_both"]
    assert list(rows.columns)[2:7] == chances and len(rows) == summary["variants"]
    values = rows[chances].astype(float)
    assert np.allclose(values["probability_both"], values["probability"] * values["probability_second"])
    page = (tmp_path / "out" / "watchlist.html").read_text()
    for name, words in (
        ("probability_8y", "8y"),
        ("probability_second", "second"),
        ("probability_both", "both"),
    ):
        assert f">{words} {100 * values[name][0]:.1f} %<" in page
    assert page.count('further ranked">both ') == 3 and ">Probability, ranked by both<" in page
    assert "second: the chance that another laboratory classifies the variant; both: that and a conflict.<" in page
    assert values["probability_both"].is_monotonic_decreasing and not values["probability"].is_monotonic_decreasing


def test_a_list_without_enough_second_submissions_leaves_them_out(demo_pair, models, tmp_path):
    """One release twice shows nobody who got a second submission; horizons are those that were asked for."""
    said, same = [], tmp_path / "same.vcf.gz"
    with gzip.open(demo_pair[0]) as release, gzip.open(same, "wb") as copy:
        copy.write(re.sub(rb"##fileDate=\S+", b"##fileDate=2010-01-01", release.read()))
    given = {"clinvar": demo_pair[0], "model": models["prospective"], "earlier": [same], "shown": 2}
    summary = watchlist.build(out=tmp_path / "out", horizons=(5,), progress=said.append, **given)
    assert summary["second_submission"] is None
    assert any("is not foretold" in line and "it takes 200 of either" in line for line in said)
    assert [name for name in read(tmp_path / "out") if name.startswith("probability_")] == ["probability_5y"]
    assert "probability_5y states a distance" in summary["meaning"] and "_2y" not in summary["meaning"]
    assert "drawn submissions know of no time" in summary["meaning"]  # the model's rows have no distance
    with pytest.raises(InputError, match="it takes 200 of either"):
        watchlist.build(out=tmp_path / "both", rank_by="both", **given)
    with pytest.raises(InputError, match="what is learnt from must be older than what is judged"):
        watchlist.build(out=tmp_path / "later", **given | {"earlier": [demo_pair[0]]})


ACT = """
const seen = [], every = name => [...document.querySelectorAll(name)];
const shown = () => seen.push(every("tbody tr").filter(row => !row.hidden).map(row => row.cells[9].textContent));
const type = (name, value) => { field(name).value = value; field(name).dispatchEvent(new Event("input")); };
shown();
type("text", "cancer"); shown();
type("text", ""); type("classification", "Likely benign"); shown();
type("classification", ""); every("th button")[9].click(); shown();
every("th button")[9].click(); shown();
type("least", "100"); shown();
seen.push(field("count").textContent);
return seen;
"""


def test_the_page_filters_and_sorts_by_itself(models, tmp_path):
    release = tmp_path / "release.vcf"
    release.write_text(
        HEADER
        + record(10, 1, CLNSIG="Benign", CLNDN="Breast_cancer", AF_EXAC="0.2")
        + record(20, 2, CLNSIG="Likely_benign", CLNDN="Lynch_syndrome", AF_EXAC="0.0001")
        + record(30, 10, CLNSIG="Benign", CLNDN="Colon_cancer")
    )
    watchlist.build(clinvar=release, model=models["biology"], out=tmp_path / "out")
    ranked = read(tmp_path / "out")["VARIATION_ID"].tolist()
    cancer = [name for name in ranked if name != "2"]
    with chromium() as browser:
        for size in (WIDE, NARROW):
            open_at(browser, tmp_path / "out" / "watchlist.html", size)
            assert serious_findings(browser) == []
        seen = browser.execute_script(ACT)
    assert seen == [ranked, cancer, ["2"], ["1", "2", "10"], ["10", "2", "1"], [], "0 of 3 rows"]


def test_the_page_prints_the_first_hundred_of_what_is_shown(tmp_path):
    names = "gene hgvs condition classification expected_conflict expected_conflict_probability".split()
    names += "reason_1 reason_2 reason_3 link".split()
    row = dict.fromkeys(names, "a long text of many words in a cell") | {"expected_conflict_probability": "0.734"}
    rows = pd.DataFrame([row | {"rank": str(n), "VARIATION_ID": str(n), "probability": "0.5"} for n in range(1, 131)])
    rows = rows.assign(percentile="50.00", gene=["ODD" if n % 2 else "EVEN" for n in range(1, 131)])
    summary = {
        "variants": 130, "shown": 130, "inputs": [{"name": "release.vcf", "fileDate": ""}], "features": "biology",
        "estimated": "", "warnings": [], "meaning": "", "ranked_by": "", "calibrated": True,
        "expected_conflict": {"why": "", "given": False},
    }  # fmt: skip
    rows.loc[1:2, "expected_conflict_probability"] = ["1.000", ""]
    write_page(tmp_path / "watchlist.html", rows, summary)
    page = (tmp_path / "watchlist.html").read_text()
    assert (page.count(">73 % sure<"), page.count(">over 99 % sure<"), "1.000" in page) == (128, 1, False)
    printed = (
        "return [...document.querySelectorAll('tbody tr')].filter(r => r.offsetParent).map(r => r.cells[9].textContent)"
    )
    right = "return Math.max(...[...document.querySelectorAll('td')].map(c => c.getBoundingClientRect().right))"
    with chromium() as browser:
        open_at(browser, tmp_path / "watchlist.html", WIDE)
        print_at_a4(browser)
        assert browser.execute_script(printed) == [str(n) for n in range(1, 101)]
        assert browser.execute_script(right) <= 710
        browser.execute_script("field('text').value = 'EVEN'; field('text').dispatchEvent(new Event('input'))")
        assert browser.execute_script(printed) == [str(n) for n in range(2, 131, 2)]


def test_a_model_of_annotated_variants_warns_of_a_release_without(models, tmp_path):
    release = tmp_path / "release.vcf"
    release.write_text(HEADER + record(10, 1, CLNSIG="Benign"))
    said = []
    summary = watchlist.build(clinvar=release, model=models["biology"], out=tmp_path / "out", progress=said.append)
    assert [warning[:44] for warning in summary["warnings"]] == ["The model has learnt from VEP's annotation ("]
    assert any("WARNING: The model has learnt from VEP's annotation" in text for text in said)
    assert "this release comes without" in (tmp_path / "out" / "watchlist.html").read_text()
    model = Model.load(models["biology"])
    assert model.manifest["training_set"]["annotated"] is True
    told = model.manifest | {"training_set": model.manifest["training_set"] | {"annotated": False}}
    plain = Model(model.pipelines, told).save(tmp_path / "model")
    assert watchlist.build(clinvar=release, model=plain, out=tmp_path / "out")["warnings"] == []


def test_models_that_count_submitters_are_refused(models, tmp_path, monkeypatch):
    model = Model.load(models["biology"])
    model.manifest = model.manifest | {"features": "all"}
    monkeypatch.setattr(Model, "load", lambda folder: model)
    with pytest.raises(InputError, match="features `all`, which grow with the number of submitters"):
        watchlist.build(clinvar="none.vcf", model=models["biology"], out=tmp_path)


def test_a_release_without_single_submitters_is_refused(models, tmp_path):
    release = tmp_path / "release.vcf"
    release.write_text(HEADER + record(10, 1, status="reviewed_by_expert_panel"))
    with pytest.raises(InputError, match="no variant with `criteria provided, single submitter`"):
        watchlist.build(clinvar=release, model=models["biology"], out=tmp_path / "out")
    assert not (tmp_path / "out" / "watchlist.csv").exists()


def test_annotation_comes_from_the_annotated_file(models, tmp_path):
    fields = "Allele|Consequence|SYMBOL|Feature|CADD_PHRED"
    words = f"Consequence annotations from Ensembl VEP. Format: {fields}"
    csq = f'##INFO=<ID=CSQ,Number=.,Type=String,Description="{words}">\n'
    plain, annotated = tmp_path / "clinvar.vcf", tmp_path / "annotated.vcf"
    plain.write_text(HEADER + record(10, 1, CLNSIG="Benign") + record(20, 2, CLNSIG="Likely_benign"))
    stripped = "".join(
        f"1\t{position}\t{name}\tA\tG\t.\t.\tCSQ=G|{term}|BRCA2|NM_1|{cadd}\n"
        for position, name, term, cadd in ((10, 1, "missense_variant", "25.3"), (20, 2, "synonymous_variant", "1.0"))
    )
    annotated.write_text(HEADER.replace("#CHROM", csq + "#CHROM") + stripped)
    watchlist.build(clinvar=plain, annotated=annotated, model=models["biology"], out=tmp_path / "out")
    rows = read(tmp_path / "out").set_index("VARIATION_ID")
    assert rows["gene"].tolist() == ["BRCA2", "BRCA2"]
    assert rows.loc["2", "classification"] == "Likely_benign", "what ClinVar says comes from ClinVar's file"
    reasons = " ".join(rows[["reason_1", "reason_2", "reason_3"]].to_numpy().ravel())
    assert "consequence missense variant" in reasons


def test_the_command(models, tmp_path):
    release = tmp_path / "release.vcf"
    release.write_text(HEADER + record(10, 1, CLNSIG="Benign"))
    given = ["watchlist", "--clinvar", str(release), "--model", str(models["biology"]), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0 and "1 variants ranked" in result.output
    assert (tmp_path / "out" / "watchlist.html").is_file()
    assert isinstance(CliRunner().invoke(app, [*given, "--top", "5001"]).exception, InputError)


@pytest.fixture(scope="module")
def modern(shared_data, tmp_path_factory):
    """The modern excerpt scored by a linear model of its own labelled rows."""
    folder = tmp_path_factory.mktemp("modern")
    release = shared_data / "clinvar_2026" / "clinvar_20260226_GRCh38_excerpt.vcf.gz"
    build_training_set(clinvar=release, out=folder / "excerpt.parquet")
    table = read_table(folder / "excerpt.parquet")
    assert len(table) == 29169
    given = {"folder": folder, "name": "job", "preset": "quick", "max_candidates": 2}
    autopilot.start(table, features="biology", progress=lambda text: None, **given).wait()
    summary = watchlist.build(clinvar=release, model=folder / "job" / "model", out=folder / "out", shown=200)
    shutil.rmtree(folder / "job")
    return summary, read(folder / "out")


def test_the_modern_excerpt(modern):
    summary, rows = modern
    assert summary["variants"] == len(rows) == 27607
    assert summary["warnings"] == [], "the model learnt without VEP"
    assert rows["rank"].astype(int).tolist() == list(range(1, 27608))
    assert not rows["VARIATION_ID"].duplicated().any()
    assert summary["inputs"][0]["fileDate"] == "2026-02-26"
    assert summary["expected_conflict"]["kinds"] == ["P/LP vs VUS", "VUS vs B/LB"]
    expected = rows.groupby("classification")["expected_conflict"].agg(set)
    assert expected["Pathogenic"] == {"P/LP vs VUS"}, "a pathogenic submission is no part of VUS vs B/LB"
    assert expected["Benign"] == {"VUS vs B/LB"}


VUS, CANCER = "Uncertain_significance", "Hereditary_cancer-predisposing_syndrome"
# Read by hand from the release: VariationID -> CHROM, POS, REF, ALT, gene, HGVS, classification, condition's beginning.
BY_HAND = {
    "4108568": ("3", "37048535", "T", "A", "MLH1", "NC_000003.12:g.37048535T>A", VUS, CANCER),
    "1269198": ("5", "112828457", "TA", "T", "APC", "NC_000005.10:g.112828474del", "Benign", "not_provided"),
    "2583999": (
        "5",
        "112840536",
        "CCT",
        "C",
        "APC",
        "NC_000005.10:g.112840537_112840538del",
        "Pathogenic",
        "Familial_aden",
    ),
    "2169323": (
        "11",
        "108134219",
        "AGG",
        "A",
        "ACAT1",
        "NC_000011.10:g.108134221_108134222del",
        "Pathogenic",
        "Deficiency",
    ),
    "1788605": ("11", "108229217", "G", "T", "ATM", "NC_000011.10:g.108229217G>T", "Likely_benign", CANCER),
    "3226636": ("13", "32338468", "GT", "G", "BRCA2", "NC_000013.11:g.32338471del", "Pathogenic", CANCER),
    "1008583": ("13", "32370439", "C", "G", "BRCA2", "NC_000013.11:g.32370439C>G", VUS, "Hereditary_breast_ovarian"),
    "4130349": ("16", "23630057", "A", "C", "PALB2", "NC_000016.10:g.23630057A>C", "Likely_benign", CANCER),
    "491135": ("17", "43049480", "C", "T", "BRCA1", "NC_000017.11:g.43049480C>T", "Likely_benign", CANCER),
    "1770560": ("17", "43094502", "A", "G", "BRCA1", "NC_000017.11:g.43094502A>G", "Likely_benign", CANCER),
}


@pytest.mark.parametrize("identifier", BY_HAND)
def test_rows_read_by_hand(modern, identifier):
    row = modern[1].set_index("VARIATION_ID").loc[identifier]
    chrom, position, before, after, gene, hgvs, classification, condition = BY_HAND[identifier]
    assert (row["CHROM"], row["POS"], row["REF"], row["ALT"]) == (chrom, position, before, after)
    assert (row["gene"], row["hgvs"], row["classification"]) == (gene, hgvs, classification)
    assert row["condition"].startswith(condition)
    assert row["link"] == f"https://www.ncbi.nlm.nih.gov/clinvar/variation/{identifier}/"


def test_a_release_that_names_a_class_for_conflicts_alone_teaches_nothing(demo_pair, tmp_path):
    """Else that a class is named at all would be what the model learns."""
    told = tmp_path / "told.vcf.gz"
    with gzip.open(demo_pair[0]) as release, gzip.open(told, "wb") as copy:
        copy.write(re.sub(rb"CLNSIG=[^;\s]*", b"CLNSIG=drug_response", release.read()))
    with pytest.raises(
        InputError, match=r"told.vcf.gz: 0 variants .*, 0 of them conflicting; it takes 100.* would tell the label"
    ):
        watchlist.build(clinvar=told, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
