"""The embedded sample: in ClinVar's and VEP's formats, as the statistics say, learnable, and nowhere a real variant."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from places import ROOT

from genomicslearning import InputError
from genomicslearning.demo import genome, sample
from genomicslearning.demo.draws import consequence_group, spread, statistics
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import read_table

COMPLEMENT = str.maketrans("ACGT", "TGCA")


def read(path):
    """Header lines, and (CHROM, POS, ID, REF, ALT, INFO as dict) of each record."""
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    records = []
    for line in itertools.dropwhile(lambda text: text.startswith("#"), lines):
        chrom, pos, name, ref, alt, _, _, info = line.split("\t")
        fields = {} if info == "." else {key: value for key, _, value in (f.partition("=") for f in info.split(";"))}
        records.append((chrom, int(pos), name, ref, alt, fields))
    return [line for line in lines if line.startswith("#")], records


@pytest.fixture(scope="module")
def clinvar(demo_pair):
    return read(demo_pair[0])


@pytest.fixture(scope="module")
def annotated(demo_pair):
    return read(demo_pair[1])


@pytest.fixture(scope="module")
def table(demo_pair, tmp_path_factory):
    out = tmp_path_factory.mktemp("demo_table") / "training_set.parquet"
    build_training_set(clinvar=demo_pair[0], annotated=demo_pair[1], out=out)
    return read_table(out)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    return sample.write_earlier(tmp_path_factory.mktemp("demo_earlier"))


def blocks(info):
    return [
        dict(itertools.zip_longest(sample.CSQ_FIELDS, block.split("|"), fillvalue=""))
        for block in info["CSQ"].split(",")
    ]


def test_same_arguments_same_bytes(tmp_path):
    first, again, other = (
        sample.write(tmp_path / name, variants=300, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert [p.name for p in first] == ["clinvar.vcf.gz", "clinvar.annotated.vcf.gz"]
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in again]
    assert first[0].read_bytes() != other[0].read_bytes()
    assert first[0].read_bytes()[4:8] == bytes(4)  # no time in the gzip header


def test_every_file_and_record_says_that_it_is_synthetic(demo_pair, earlier):
    for path in (*demo_pair, *earlier):
        header, records = read(path)
        assert "##source=genomicslearning synthetic sample (not ClinVar data)" in header
        assert "##source=ClinVar" not in header
        assert f"##SYNTHETIC={sample.NOTICE}" in header
        unmarked = [info for *_, info in records if "SYNTHETIC" not in info]
        assert all(info.keys() <= {"CSQ"} for info in unmarked) and len(unmarked) <= 3


def test_header_declares_every_key(clinvar, annotated):
    for header, records in (clinvar, annotated):
        assert header[0] == "##fileformat=VCFv4.1"
        assert {"##reference=GRCh37", "##fileDate=2018-04-01"} <= set(header)
        declared = set(re.findall(r"##INFO=<ID=(\w+),Number=[01.],Type=\w+,Description=", "\n".join(header)))
        assert set().union(*(info for *_, info in records)) <= declared
    assert "Format: " + "|".join(sample.CSQ_FIELDS) + '">' in annotated[0][-2]
    assert {"MANE_SELECT", "CANONICAL", "CADD_PHRED", "LoFtool", "BLOSUM62"} <= set(sample.CSQ_FIELDS)


def test_counts_by_review_status(clinvar, annotated):
    statuses = Counter(info.get("CLNREVSTAT", "") for *_, info in clinvar[1])
    assert statuses[sample.AGREED] + sum(statuses[s] for s in sample.CONFLICTING) == 6000
    assert statuses[sample.SINGLE] == 3000
    assert min(statuses[s] for s in sample.CONFLICTING) > 400  # both wordings
    assert statuses[""] == 120 and statuses["no_assertion_criteria_provided"] == 300
    names = [name for _, _, name, *_ in clinvar[1]]
    assert len(set(names)) == len(names)
    missing = set(names) - {name for _, _, name, *_ in annotated[1]}
    assert 0 < len(missing) < 20  # ClinVar records that VEP left out, none of them labelled
    assert not any(
        info["CLNREVSTAT"] in (sample.AGREED, *sample.CONFLICTING)
        for _, _, name, _, _, info in clinvar[1]
        if name in missing
    )


def test_conflicts_in_both_syntaxes(clinvar):
    conflicts = [
        (info["CLNREVSTAT"], info.get("CLNSIGCONF"))
        for *_, info in clinvar[1]
        if "conflicting" in info.get("CLNREVSTAT", "")
    ]
    stated = [text for _, text in conflicts if text]
    term = r"\w+(,_low_penetrance)?\(\d\)"
    assert all(re.fullmatch(rf"{term}([|,]{term})+", text) for text in stated)
    for status in sample.CONFLICTING:
        assert {"," in re.sub(r",_low", "", t) for s, t in conflicts if s == status and t} == {True, False}
    assert 0 < len(conflicts) - len(stated) < 60
    assert any("low_penetrance" in t for t in stated)


def test_odd_but_legal_text(clinvar, annotated):
    values = [value for *_, info in clinvar[1] for value in info.values()]
    assert any("São_Paulo" in v for v in values)
    assert any("Universität_Demo:id=" in v for v in values)
    assert any("%3B" in v for v in values) and any("%2C" in v for v in values)
    assert sum(not info for *_, info in clinvar[1]) == 2  # INFO is a dot
    assert any("|." in info.get("CLNDISDB", "") for *_, info in clinvar[1])
    assert any("%3D" in block["HGVSp"] for *_, info in annotated[1] for block in blocks(info))
    short = [info for *_, info in annotated[1] if info["CSQ"].split(",")[-1].count("|") < len(sample.CSQ_FIELDS) - 1]
    assert 0 < len(short) < 20


def test_conditions_and_their_identifiers_go_together(clinvar):
    for *_, info in clinvar[1]:
        assert info.get("CLNDN", "").count("|") == info.get("CLNDISDB", "").count("|")
    assert sum("CLNDNINCL" in info for *_, info in clinvar[1]) == 20


def test_transcripts(annotated):
    csq = [blocks(info) for *_, info in annotated[1]]
    assert {1, 2, 3, 4} <= {len(b) for b in csq}
    assert all(sum(bool(block["MANE_SELECT"]) for block in b) <= 1 for b in csq)
    assert 0.4 < np.mean([any(block["MANE_SELECT"] for block in b) for b in csq]) < 0.7
    assert 0.75 < np.mean([any(block["CANONICAL"] for block in b) for b in csq]) < 0.95
    # The order of the file differs from MANE's choice somewhere.
    assert any(b[0]["MANE_SELECT"] == "" and any(x["MANE_SELECT"] for x in b[1:]) for b in csq)


def test_alleles_codons_and_names_agree(table):
    single = table[(table["CLNVC"] == "single_nucleotide_variant") & table["Codons"].notna()]
    assert len(single) > 4500
    for row in single.itertuples():
        before, after = row.Codons.split("/")
        [(b, a)] = [(x, y) for x, y in zip(before, after, strict=True) if x.isupper()]
        ref, alt = (b, a) if row.STRAND == "1" else (b.translate(COMPLEMENT), a.translate(COMPLEMENT))
        assert (row.REF, row.ALT, row.Allele) == (ref, alt, alt)
        acids = [genome._CODE[codon.upper()] for codon in (before, after)]
        assert row.Amino_acids == "/".join(dict.fromkeys(acids))
        assert ("missense" in row.Consequence) == (
            acids[0] != acids[1] and "stop" not in row.Consequence and "start" not in row.Consequence
        )
        assert row.CLNHGVS.endswith(f":g.{row.POS}{ref}>{alt}[synthetic]")
        assert (int(row.CDS_position) + 2) // 3 == int(row.Protein_position)
    lost = table[table["CLNVC"] == "Deletion"]
    assert len(lost) > 100 and all(r[0] == a and len(r) > 1 for r, a in zip(lost["REF"], lost["ALT"], strict=True))
    frameshift = table[table["Consequence"] == "frameshift_variant"]
    assert all((len(r) - len(a)) % 3 for r, a in zip(frameshift["REF"], frameshift["ALT"], strict=True))


def test_one_reference_sequence(clinvar):
    bases = {}
    for chrom, pos, _, ref, _, _ in clinvar[1]:
        for i, base in enumerate(ref):
            assert bases.setdefault((chrom, pos + i), base) == base
    sites = [(list(genome.CENTROMERES).index(c), p) for c, p, *_ in clinvar[1]]
    assert sites == sorted(sites)


def test_shares_are_those_of_the_statistics(table):
    tables = statistics()
    assert table["CLASS"].mean() == pytest.approx(tables["classes"][1] / sum(tables["classes"]), abs=0.02)
    expected = {"Consequence": Counter(), "band": Counter()}
    for consequence, band, _, n in spread(tables["consequence_frequency_class"]):
        expected["Consequence"][consequence] += n
        expected["band"][band] += n
    highest = table[["AF_ESP", "AF_EXAC", "AF_TGP"]].astype(float).max(axis=1)
    drawn = table.assign(band=np.searchsorted(tables["frequency_bands"], highest))
    for column, counts in expected.items():
        want = pd.Series(counts) / counts.total()
        got = drawn[column].value_counts(normalize=True).reindex(want.index, fill_value=0)
        assert set(drawn[column]) <= set(counts)
        assert (got - want).abs().max() < 0.02
        assert got.sum() == pytest.approx(1)


def test_shares_are_those_of_the_published_table(table, published_table):
    def shares(t):
        return t["Consequence"].map(consequence_group).value_counts(normalize=True)

    assert (shares(table) - shares(published_table)).abs().max() < 0.02
    named = [t["CLNDN"].str.contains("not_specified").mean() for t in (table, published_table)]
    assert named[0] == pytest.approx(named[1], abs=0.03)
    sourced = [t["CLNVI"].notna().mean() for t in (table, published_table)]
    assert sourced[0] == pytest.approx(sourced[1], abs=0.05)


def test_no_row_equals_a_real_one(clinvar, published_table):
    sites = ["CHROM", "POS", "REF", "ALT"]
    synthetic = pd.DataFrame([r[:2] + r[3:5] for r in clinvar[1]], columns=sites)
    assert not len(synthetic.merge(published_table[sites].astype({"CHROM": str}), on=sites))


def test_positions_lie_where_nothing_real_can(clinvar, published_table):
    def in_gap(chrom, pos):
        start, _ = genome.CENTROMERES.get(chrom, (0, 0))
        return 0 < start <= pos < start + genome.GAP_LENGTH

    assert all(in_gap(chrom, pos) for chrom, pos, *_ in clinvar[1])
    assert not any(map(in_gap, published_table["CHROM"].astype(str), published_table["POS"]))


def test_a_quick_model_learns_what_it_learns_from_clinvar(table):
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from threadpoolctl import threadpool_limits

    features = table[["AF_ESP", "AF_EXAC", "AF_TGP", "CADD_PHRED", "LoFtool"]].astype(float)
    for column in ("Consequence", "SYMBOL"):
        common = table[column].value_counts().index[:150]
        features[column] = table[column].where(table[column].isin(common)).astype("category").cat.codes
    names = table["CLNDN"].fillna("")
    features["conditions"] = names.str.count(r"\|")
    for name in ("not_specified", "not_provided"):
        features[name] = names.str.contains(name)
    for source in ("Illumina", "OMIM", "UniProt"):
        features[source] = table["CLNVI"].fillna("").str.contains(source)
    train = table.sample(frac=0.8, random_state=200).index
    test = table.index.difference(train)
    model = HistGradientBoostingClassifier(
        max_iter=80, learning_rate=0.06, random_state=0, categorical_features=["Consequence", "SYMBOL"]
    )
    with threadpool_limits(1):  # threads that wait for each other cost more than they bring here
        model.fit(features.loc[train], table.loc[train, "CLASS"])
        area = roc_auc_score(table.loc[test, "CLASS"], model.predict_proba(features.loc[test])[:, 1])
    assert 0.75 < area < 0.92


def test_earlier_releases(clinvar, earlier):
    expected = statistics()["earlier"]
    assert [p.name for p in earlier] == [f"clinvar_{date}.vcf.gz" for date in expected["releases"]]
    later = {name: (site, info.get("CLNREVSTAT", "")) for *site, name, _, _, info in clinvar[1]}
    labelled = {name for name, (_, status) in later.items() if status in (sample.AGREED, *sample.CONFLICTING)}
    for k, path in enumerate(earlier):
        header, records = read(path)
        assert f"##fileDate={expected['releases'][k]}" in header
        assert {name for _, _, name, *_ in records} <= later.keys()
        was = Counter(info["CLNREVSTAT"].replace("_", " ") for _, _, name, _, _, info in records if name in labelled)
        rows = [(row[k], row[-1]) for row in spread(expected["status"])]
        for status in ("criteria provided, single submitter", sample.AGREED.replace("_", " ")):
            share = sum(n for s, n in rows if s == status) / sum(n for _, n in rows)
            assert was[status] / len(labelled) == pytest.approx(share, abs=0.02)
        for *_, info in records:
            assert ("CLNSIGCONF" in info) == ("conflicting" in info["CLNREVSTAT"])
            if info["CLNREVSTAT"] == sample.SINGLE:
                assert "|" not in info.get("CLNDN", "") + info.get("CLNVI", "")


def test_too_many_variants_is_an_error(tmp_path):
    with pytest.raises(InputError, match="too many variants.*ask for fewer"):
        sample.write(tmp_path, variants=3_000_000)
    assert not list(tmp_path.iterdir())


def test_statistics_are_aggregates_and_small():
    tables = statistics()
    path = Path(sample.__file__).with_name("statistics.json")
    text = open(path, encoding="utf-8").read()
    assert len(text.encode()) < 150_000 and tables.keys() - {"header"} == tables["header"]["tables"].keys()
    smallest = tables["header"]["smallest_cell"]
    for name in ("consequence_frequency_class", "frequency_sources", "condition_patterns", "source_patterns", "origin"):
        assert all(n >= smallest for *_, n in spread(tables[name]))
    assert not re.search(r"\b(NC_\d{6}|rs\d{4,})", text)  # no position, no variant


def test_statistics_come_from_the_script(shared_data, tmp_path):
    table, out = shared_data / "clinvar_kaggle" / "clinvar_conflicting.csv.zip", tmp_path / "out.json"
    script = ROOT / "benchmarks" / "demo_statistics.py"
    subprocess.run([sys.executable, script, str(table), str(out)], check=True)
    assert json.loads(out.read_text(encoding="utf-8")) == statistics()


def test_every_row_that_is_made_of_it_says_so(table):
    assert table["VARIATION_ID"].str.startswith("synthetic").all()
    assert (table["CLNHGVS"].isna() | table["CLNHGVS"].str.endswith("[synthetic]")).all()
