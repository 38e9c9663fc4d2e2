"""Compute the aggregate statistics that the embedded synthetic sample is drawn from.

    python benchmarks/demo_statistics.py TABLE.csv.zip OUT.json [--modern VCF.gz] [--earlier TSV.gz TSV.gz]

TABLE is the published ClinVar-conflict table. The two others say what the table leaves out: a ClinVar release of 2024
or later (how laboratories disagree, what a single submitter says) and two tab-delimited releases from before the table,
oldest first (what was known earlier). Default: where they lie beside the table in the shared data folder.
Only counts and quantiles of many variants are written; cells below MINIMUM are left out. Same input, same bytes.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

MINIMUM = 10  # smallest count that is written
GENE_MINIMUM = 35
CONDITION_MINIMUM = 100
CONSEQUENCE_MINIMUM = 80
SOURCE_MINIMUM = 100
MAIN_SOURCE = "Illumina_Clinical_Services_Laboratory,Illumina"
QUANTILE_MINIMUM = 100

FREQUENCY_BANDS = [0, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 5e-2, 1]
COARSE = [0, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]  # fine band → coarse band: unseen, to 1e-4, 5e-4, 2e-3, 1e-2, common
GENERIC = ["not_specified", "not_provided"]
TRUNCATING = re.compile("frameshift|stop_gained|stop_lost|start_lost|initiator|splice_donor|splice_acceptor|nonsense")

WHAT = (
    "Aggregate statistics behind the synthetic sample of genomicslearning.demo: counts and quantiles over many "
    "variants. n0 and n1 are counts of CLASS 0 and CLASS 1; a count below smallest_cell is 0."
)
TABLES = {
    "classes": "rows of CLASS 0 and CLASS 1 in the published table",
    "frequency_bands": "upper ends of the bands of max(AF_ESP, AF_EXAC, AF_TGP); band 0 is 'not seen'",
    "coarse_bands": "frequency band → coarse band used in other tables",
    "consequence_frequency_class": f"[Consequence ({CONSEQUENCE_MINIMUM} rows or more), frequency band, n0, n1]",
    "frequency_sources": "[main source in CLNVI or not, frequency band, which of ESP, EXAC, TGP are above 0, n0, n1]",
    "genes": f"genes with {GENE_MINIMUM} rows or more: [symbol, chromosome, strand, exons, transcript, LoFtool, rows, "
    "rows with the main source in CLNVI, rows not seen in ESP, EXAC or TGP, "
    "{consequence group: [n0, n1]}, [[index in conditions, rows], …]]",
    "conditions": f"[name in CLNDN ({CONDITION_MINIMUM} rows or more), its CLNDISDB text]",
    "condition_patterns": "[consequence group, coarse band, main source in CLNVI or not, not_specified, not_provided, "
    "number of other conditions (6 = 6 or more), n0, n1]",
    "source_patterns": "[consequence group, coarse band, main source or not, sources in CLNVI joined by |, n0, n1]; "
    "the main source is the most frequent one",
    "cadd_phred": "Consequence → quantiles 2, 10, 20 … 90, 98 % of CADD_PHRED for CLASS 0 and CLASS 1",
    "cadd_raw": "[median CADD_PHRED, median CADD_RAW] in bands of CADD_PHRED",
    "protein_scores": "missense: [CADD_PHRED band cut at 10, 20, 23, 26, 30; SIFT, PolyPhen, n0, n1]",
    "codons": "kind of coding change → Codons text → rows",
    "indel_lengths": "kind → bases gained or lost → rows",
    "molecular_consequence": "Consequence → MC text → rows",
    "origin": "[ORIGIN, n0, n1]",
    "chromosomes": "CHROM → rows",
    "modern": "the ClinVar release: review status → records; by consequence group the terms in CLNSIGCONF, and CLNSIG "
    "of agreeing and of single submitters",
    "earlier": "the earlier releases: [review status in each, n0, n1] of the published table's rows; what single "
    "submitters said in the newest of them [consequence group, significance, n0, n1]",
    "other_genes": "all other genes together: how many, rows, rows with the main source, rows not seen, and "
    "[consequence group, n0, n1]",
}


def group(consequence: str) -> str:
    if TRUNCATING.search(consequence):
        return "truncating"
    for name in ("missense", "synonymous"):
        if name in consequence:
            return name
    return "other"


def counts(frame: pd.DataFrame, keys: list[str], minimum: int = MINIMUM) -> list[list]:
    """Rows of [*key values, count of CLASS 0, count of CLASS 1]; a cell below the minimum is 0, empty rows go."""
    cells = frame.groupby(keys, sort=True)["label"].agg(n="size", positive="sum")
    rows = []
    for key, (n, positive) in zip(cells.index, cells.to_numpy().tolist(), strict=True):
        pair = [c if c >= minimum else 0 for c in (n - positive, positive)]
        if any(pair):
            rows.append([*(key if isinstance(key, tuple) else [key]), *pair])
    return rows


def plain_counts(series: pd.Series, minimum: int = MINIMUM) -> dict:
    found = series.value_counts()
    return {k: int(n) for k, n in sorted(found.items(), key=lambda i: (-i[1], str(i[0]))) if n >= minimum}


def published_table(path: str) -> pd.DataFrame:
    table = pd.read_csv(path, dtype=str, keep_default_na=False).replace("nan", "")
    table["label"] = table["CLASS"].astype(int)
    table["group"] = table["Consequence"].map(group)
    frequency = table[["AF_ESP", "AF_EXAC", "AF_TGP"]].astype(float)
    table["band"] = np.searchsorted(FREQUENCY_BANDS, frequency.max(axis=1).clip(upper=1), side="left")
    table["main_source"] = table["CLNVI"].str.contains(MAIN_SOURCE, regex=False).astype(int)
    table["coarse"] = table["band"].map(dict(enumerate(COARSE)))
    table["seen_in"] = (frequency > 0).dot([100, 10, 1]).map("{:03d}".format)
    return table


def genes(table: pd.DataFrame, conditions: dict[str, int]) -> list[list]:
    """[symbol, chromosome, strand, exons, transcript, LoFtool, rows, {group: [n0, n1]}, [[condition, n], …]]."""

    def common(column):
        return column[column != ""].mode().iloc[0] if (column != "").any() else ""

    rows = []
    for symbol, part in table[table["SYMBOL"] != ""].groupby("SYMBOL", sort=True):
        if len(part) < GENE_MINIMUM:
            continue
        exons = part["EXON"].str.extract(r"/(\d+)$")[0].dropna()
        named = part["CLNDN"].str.split("|").explode()
        wanted = plain_counts(named[named.isin(conditions)])
        rows.append(
            [
                symbol,
                common(part["CHROM"]),
                int(common(part["STRAND"])),
                int(exons.mode().iloc[0]) if len(exons) else 1,
                common(part["Feature"]),
                common(part["LoFtool"]),
                len(part),
                *(n if n >= MINIMUM else 0 for n in (int(part["main_source"].sum()), int((part["band"] == 0).sum()))),
                {g: [n0, n1] for g, n0, n1 in counts(part, ["group"])},
                [[conditions[name], n] for name, n in wanted.items()],
            ]
        )
    return rows


def condition_names(table: pd.DataFrame) -> list[list]:
    """[name, identifiers as CLNDISDB writes them], most frequent first, without the two that say nothing."""
    pairs = table[["CLNDN", "CLNDISDB"]].apply(lambda c: c.str.split("|"))
    aligned = pairs[pairs["CLNDN"].str.len() == pairs["CLNDISDB"].str.len()].explode(["CLNDN", "CLNDISDB"])
    most = plain_counts(aligned["CLNDN"], CONDITION_MINIMUM)
    return [
        [name, aligned.loc[aligned["CLNDN"] == name, "CLNDISDB"].mode().iloc[0]] for name in most if name not in GENERIC
    ]


def condition_patterns(table: pd.DataFrame) -> list[list]:
    names = table["CLNDN"].str.split("|")
    table = table.assign(
        not_specified=names.map(lambda n: int("not_specified" in n)),
        not_provided=names.map(lambda n: int("not_provided" in n)),
    )
    table["specific"] = (names.str.len() - table["not_specified"] - table["not_provided"]).clip(upper=6)
    return counts(table, ["group", "coarse", "main_source", "not_specified", "not_provided", "specific"])


def source_patterns(table: pd.DataFrame) -> list[list]:
    source = table["CLNVI"].str.split("|").explode().str.rsplit(":", n=1).str[0]
    # Names with a gene in parentheses or before @ belong to that gene only.
    one_gene = re.compile(r"@|database|_Core_|\(variants\)")
    wanted = [s for s in plain_counts(source, SOURCE_MINIMUM) if s and not one_gene.search(s)]
    pattern = table["CLNVI"].map(lambda text: "|".join(s for s in wanted if s in text))
    return counts(table.assign(sources=pattern), ["group", "coarse", "main_source", "sources"])


def quantiles(table: pd.DataFrame, consequences: list[str]) -> dict:
    """CADD_PHRED at 2, 10, 20 … 90, 98 % by consequence and CLASS (both classes together where one is small)."""
    points = [0.02, *np.arange(0.1, 0.95, 0.1), 0.98]
    scored = table[table["CADD_PHRED"] != ""].assign(phred=lambda t: t["CADD_PHRED"].astype(float))
    out = {}
    for consequence in consequences:
        part = scored[scored["Consequence"] == consequence]
        sides = [part[part["label"] == k] for k in (0, 1)]
        if min(map(len, sides)) < QUANTILE_MINIMUM:
            sides = [part, part]
        if len(sides[0]) >= MINIMUM * 5:
            out[consequence] = [np.round(s["phred"].quantile(points), 2).tolist() for s in sides]
    return out


def raw_by_phred(table: pd.DataFrame) -> list[list]:
    scored = table[table["CADD_PHRED"] != ""][["CADD_PHRED", "CADD_RAW"]].astype(float)
    edges = [0, 0.1, 0.5, 1, 2, 3, 5, 7, 10, 12, 15, 18, 20, 22, 23, 24, 25, 27, 29, 32, 35, 40, 50]
    middle = scored.groupby(pd.cut(scored["CADD_PHRED"], edges), observed=True).median()
    return [[round(p, 2), round(r, 3)] for p, r in middle.to_numpy().tolist()]


def protein_scores(table: pd.DataFrame) -> list[list]:
    missense = table[table["Consequence"].str.startswith("missense") & (table["CADD_PHRED"] != "")]
    cadd = np.searchsorted([10, 20, 23, 26, 30], missense["CADD_PHRED"].astype(float))
    return counts(missense.assign(cadd=cadd), ["cadd", "SIFT", "PolyPhen"])


def codon_changes(table: pd.DataFrame) -> dict:
    # Exactly one upper-case base on each side: a single-base change.
    one_upper = "(?=[acgt]*[ACGT][acgt]*{end})[acgtACGT]{{3}}{end}"
    single = table[table["Codons"].str.match(one_upper.format(end="/") + one_upper.format(end="$"))]
    return {
        kind: plain_counts(single.loc[single["Consequence"].str.contains(kind), "Codons"], 2 * MINIMUM)
        for kind in ("missense", "synonymous", "stop_gained")
    }


def indel_lengths(table: pd.DataFrame) -> dict:
    """Bases lost (negative) or gained, by kind of consequence."""
    size = (table["ALT"].str.len() - table["REF"].str.len()).astype(str)
    out = {}
    for kind in ("frameshift", "inframe_deletion", "inframe_insertion"):
        out[kind] = plain_counts(size[table["Consequence"].str.contains(kind) & (size != "0")])
    out["noncoding"] = plain_counts(size[(table["group"] == "other") & ~table["Consequence"].str.contains("inframe")])
    return out


def modern_release(path: str) -> dict:
    records = []
    opened = pd.read_csv(path, sep="\t", comment="#", header=None, usecols=[7], dtype=str, quoting=3)[7]
    for info in opened:
        fields = dict(f.split("=", 1) for f in info.strip().split(";") if "=" in f)
        records.append(
            (
                fields.get("CLNREVSTAT", ""),
                group(fields.get("MC", "")),
                fields.get("CLNSIG", ""),
                "|".join(re.findall(r"([^|(]+)\(\d+\)", fields.get("CLNSIGCONF", ""))),
            )
        )
    frame = pd.DataFrame(records, columns=["status", "group", "significance", "terms"])

    def by_group(rows, column):
        return {g: plain_counts(part[column]) for g, part in rows.groupby("group", sort=True)}

    conflicting = frame[frame["status"].str.contains("conflicting_classifications")]
    return {
        "review_status": plain_counts(frame["status"]),
        "conflict_terms": by_group(conflicting, "terms"),
        "agreed": by_group(frame[frame["status"].str.contains("multiple_submitters")], "significance"),
        "single_submitter": by_group(frame[frame["status"].str.contains("single_submitter")], "significance"),
    }


def earlier_releases(table: pd.DataFrame, paths: list[str]) -> dict:
    joined = table
    for i, path in enumerate(paths):
        release = pd.read_csv(
            path,
            sep="\t",
            dtype=str,
            keep_default_na=False,
            usecols=["chrom", "pos", "ref", "alt", "clinical_significance", "review_status"],
        )
        release = release.drop_duplicates(["chrom", "pos", "ref", "alt"])
        release.columns = ["CHROM", "POS", "REF", "ALT", f"said{i}", f"status{i}"]
        joined = joined.merge(release, how="left", on=["CHROM", "POS", "REF", "ALT"]).fillna({f"status{i}": "absent"})
    newest = len(paths) - 1
    single = joined[joined[f"status{newest}"] == "criteria provided, single submitter"]
    return {
        "releases": [re.search(r"\d{4}-\d\d-\d\d", path).group() for path in paths],
        "status": counts(joined, [f"status{i}" for i in range(len(paths))]),
        "single_submitter_said": counts(single, ["group", f"said{newest}"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table")
    parser.add_argument("out")
    parser.add_argument("--modern")
    parser.add_argument("--earlier", nargs="+")
    arguments = parser.parse_args()
    data = Path(arguments.table).resolve().parent.parent
    modern = arguments.modern or str(next((data / "clinvar_2026").glob("*_excerpt.vcf.gz")))
    earlier = arguments.earlier or sorted(map(str, (data / "clinvar_tsv").glob("*.tsv.gz")))

    table = published_table(arguments.table)
    consequences = list(plain_counts(table["Consequence"], CONSEQUENCE_MINIMUM))
    kept = table[table["Consequence"].isin(consequences)]
    conditions = condition_names(table)
    molecular = {c: plain_counts(kept.loc[kept["Consequence"] == c, "MC"]) for c in consequences}
    statistics = {
        "header": {
            "what": WHAT,
            "script": "benchmarks/demo_statistics.py",
            "data": {
                "published table (CC0), GRCh37": [Path(arguments.table).name, len(table)],
                "ClinVar release, GRCh38 excerpt": Path(modern).name,
                "earlier ClinVar releases, GRCh37": [Path(p).name for p in earlier],
            },
            "smallest_cell": MINIMUM,
            "tables": TABLES,
        },
        "classes": table["label"].value_counts().sort_index().tolist(),
        "frequency_bands": FREQUENCY_BANDS,
        "coarse_bands": COARSE,
        "consequence_frequency_class": counts(kept, ["Consequence", "band"]),
        "frequency_sources": counts(table, ["main_source", "band", "seen_in"]),
        "genes": genes(table, {name: i for i, (name, _) in enumerate(conditions)}),
        "conditions": conditions,
        "condition_patterns": condition_patterns(table),
        "source_patterns": source_patterns(table),
        "cadd_phred": quantiles(table, consequences),
        "cadd_raw": raw_by_phred(table),
        "protein_scores": protein_scores(table),
        "codons": codon_changes(table),
        "indel_lengths": indel_lengths(table),
        "molecular_consequence": molecular,
        "origin": counts(table, ["ORIGIN"]),
        "chromosomes": plain_counts(table["CHROM"], 100),
        "modern": modern_release(modern),
        "earlier": earlier_releases(table, earlier),
    }
    named = {row[0] for row in statistics["genes"]}
    others = table[~table["SYMBOL"].isin(named)]
    statistics["other_genes"] = {
        "genes": int(others["SYMBOL"].nunique()),
        "rows": len(others),
        "main_source": int(others["main_source"].sum()),
        "not_seen": int((others["band"] == 0).sum()),
        "groups": counts(others, ["group"]),
    }
    lines = []
    for key, value in statistics.items():
        layout = {"indent": 1} if key == "header" else {"separators": (",", ":")}
        lines.append(f'"{key}": {json.dumps(value, ensure_ascii=False, **layout)}')
    Path(arguments.out).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
