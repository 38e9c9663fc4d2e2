"""The embedded sample: a synthetic ClinVar VCF and its VEP-annotated twin, in the real formats.

Variants are drawn from aggregate statistics of the published ClinVar-conflict table (`statistics.json`, made by
`benchmarks/demo_statistics.py`), so that the sample looks and learns like ClinVar. Names of genes, conditions and
laboratories are real; positions, sequences, identifiers and classifications are made up.
"""

from __future__ import annotations

import gzip
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np

from genomicslearning.demo import genome
from genomicslearning.demo.draws import Draws, consequence_group, gene_weights, spread, statistics
from genomicslearning.io import lake
from genomicslearning.training_set.schema import AF_COLUMNS

NOTICE = "SYNTHETIC sample made by genomicslearning: not ClinVar data, no real variant or patient, not for clinical use"
CSQ_FIELDS = (
    "Allele Consequence IMPACT SYMBOL Gene Feature_type Feature BIOTYPE EXON INTRON HGVSc HGVSp cDNA_position "
    "CDS_position Protein_position Amino_acids Codons Existing_variation DISTANCE STRAND FLAGS SYMBOL_SOURCE HGNC_ID "
    "MANE_SELECT CANONICAL REFSEQ_MATCH GIVEN_REF USED_REF BAM_EDIT SIFT PolyPhen MOTIF_NAME MOTIF_POS HIGH_INF_POS "
    "MOTIF_SCORE_CHANGE LoFtool CADD_PHRED CADD_RAW BLOSUM62"
).split()
_fields, _NO_FIELDS = itemgetter(*CSQ_FIELDS), dict.fromkeys(CSQ_FIELDS, "")
_INFO = """\
AF_ESP 1 Float allele frequencies from GO-ESP
AF_EXAC 1 Float allele frequencies from ExAC
AF_TGP 1 Float allele frequencies from TGP
ALLELEID 1 Integer the ClinVar Allele ID
CLNDN . String ClinVar's preferred disease name for the concept specified by disease identifiers in CLNDISDB
CLNDNINCL . String For included Variant : ClinVar's preferred disease name
CLNDISDB . String Tag-value pairs of disease database name and identifier, e.g. OMIM:NNNNNN
CLNDISDBINCL . String For included Variant: Tag-value pairs of disease database name and identifier
CLNHGVS . String Top-level (primary assembly, alt, or patch) HGVS expression.
CLNREVSTAT . String ClinVar review status for the Variation ID
CLNSIG . String Clinical significance for this single variant
CLNSIGCONF . String Conflicting clinical significance for this single variant
CLNSIGINCL . String Clinical significance for a haplotype or genotype that includes this variant
CLNVC 1 String Variant type
CLNVCSO 1 String Sequence Ontology id for variant type
CLNVI . String the variant's clinical sources reported as tag-value pairs of database and variant identifier
DBVARID . String nsv accessions from dbVar for the variant
GENEINFO 1 String Gene(s) for the variant reported as gene symbol:gene id
MC . String comma separated list of molecular consequence in the form of Sequence Ontology ID|molecular_consequence
ONCREVSTAT . String ClinVar review status of oncogenicity classification for the Variation ID
ORIGIN . String Allele origin
RS . String dbSNP ID (i.e. rs number)
SSR 1 Integer Variant Suspect Reason Codes
SYNTHETIC 0 Flag Made up for demonstration; not a ClinVar record
"""
SINGLE = "criteria_provided,_single_submitter"
AGREED = "criteria_provided,_multiple_submitters,_no_conflicts"
CONFLICTING = (
    "criteria_provided,_conflicting_interpretations",  # until 2023
    "criteria_provided,_conflicting_classifications",
)  # since 2024
_LABELLED = (AGREED, *CONFLICTING)
# Records beside the labelled ones, as a share of them. Without CLNREVSTAT: no germline classification.
_UNLABELLED = {
    SINGLE: 0.5,
    "no_assertion_criteria_provided": 0.05,
    "reviewed_by_expert_panel": 0.03,
    "": 0.02,
    "no_assertion_provided": 0.01,
    "practice_guideline": 0.001,
}
_SEQUENCE_ONTOLOGY = {
    "single_nucleotide_variant": "SO:0001483",
    "Deletion": "SO:0000159",
    "Duplication": "SO:1000035",
    "Insertion": "SO:0000667",
}
_GENERIC = {"not_specified": "MedGen:CN169374", "not_provided": "MedGen:CN517202"}
# Legal, and each has broken a parser: non-ASCII, percent codes, `=` inside a value, empty parts.
_ODD_CONDITIONS = [
    ("Muir-Torré_syndrome", "MedGen:C1321489,OMIM:158320"),
    ("Hearing_loss%3B_autosomal_recessive", "."),
    ("Sjögren-Larsson_syndrome", "MedGen:C0037231,OMIM:270200"),
    ("Disorder_with_level=high", "MedGen:CN900001"),
]


def write(folder: str | Path, *, variants: int = 6000, seed: int = 2018) -> tuple[Path, Path]:
    """Write the synthetic ClinVar VCF and its VEP-annotated twin; the same arguments give the same bytes.

    Parameters
    ----------
    folder
        Made if it is not there.
    variants
        Records that reach the training set (several submitters, agreeing or conflicting). About 0.6 times as many
        others come on top: single submitters, no assertion criteria, expert panels, no germline classification.

    Returns
    -------
    Paths of ``clinvar.vcf.gz`` and ``clinvar.annotated.vcf.gz``.
    """
    records = _Sample(variants, seed).records()
    clinvar, annotated = Path(folder) / "clinvar.vcf.gz", Path(folder) / "clinvar.annotated.vcf.gz"
    _write_vcf(clinvar, (r.line(r.info) for r in records))
    _write_vcf(annotated, (r.line({**r.info, "CSQ": r.csq}) for r in records if r.csq), csq=True)
    return clinvar, annotated


def write_earlier(folder: str | Path, *, variants: int = 6000, seed: int = 2018) -> list[Path]:
    """Write what earlier releases would have said of the same sample: ``clinvar_<date>.vcf.gz``, oldest first.

    How many variants were absent, had a single submitter or several, and what the single submitters said, follows the
    two real releases that the header of `statistics` names. A single submitter names one condition at most.
    """
    records = _Sample(variants, seed).records()
    earlier = statistics()["earlier"]
    rng = random.Random(seed)
    lines: dict[str, list[str]] = {date: [] for date in earlier["releases"]}
    for record in records:
        for date, info in zip(lines, _earlier(record, earlier, rng), strict=True):
            if info:
                lines[date].append(record.line(info))
    paths = [Path(folder) / f"clinvar_{date}.vcf.gz" for date in lines]
    for path, date in zip(paths, lines, strict=True):
        _write_vcf(path, lines[date], date=date)
    return paths


def _write_vcf(path: Path, lines: Iterable[str], *, date: str = "2018-04-01", csq: bool = False) -> None:
    head = [
        "##fileformat=VCFv4.1",
        f"##fileDate={date}",
        "##source=genomicslearning synthetic sample (not ClinVar data)",
        f"##SYNTHETIC={NOTICE}",
        "##reference=GRCh37",
        '##ID=<Description="Synthetic Variation ID">',
    ]
    for key, number, kind, description in (line.split(" ", 3) for line in _INFO.splitlines()):
        head.append(f'##INFO=<ID={key},Number={number},Type={kind},Description="{description}">')
    if csq:
        head.append('##VEP="v92" note="SYNTHETIC: laid out as VEP writes it, but VEP was not run"')
        head.append(
            '##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequence annotations from Ensembl VEP. '
            f'Format: {"|".join(CSQ_FIELDS)}">'
        )
    head.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO")
    text = "\n".join([*head, *lines]) + "\n"
    lake.make_folder(path.parent)
    # mtime 0 and no file name in the gzip header, so that the same sample is the same bytes.
    path.write_bytes(gzip.compress(text.encode(), compresslevel=6, mtime=0))


@dataclass
class _Record:
    gene: genome.Gene
    change: genome.Change
    consequence: str
    label: int
    status: str
    identifier: int
    info: dict[str, str | None]
    csq: str

    def line(self, info: dict[str, str | None]) -> str:
        text = ";".join(key if value is None else f"{key}={value}" for key, value in info.items()) or "."
        change = self.change
        site = f"{self.gene.chromosome}\t{change.position}\tsynthetic{self.identifier}\t{change.ref}\t{change.alt}"
        return f"{site}\t.\t.\t{text}"


def _in_vcf_order(records: list[_Record]) -> list[_Record]:
    """By chromosome, position and alleles."""
    order = {chromosome: i for i, chromosome in enumerate(genome.CENTROMERES)}
    return sorted(records, key=lambda r: (order[r.gene.chromosome], r.change.position, r.change.ref, r.change.alt))


class _Sample:
    """One draw: first what the statistics say of all variants at once, then each variant's alleles and text."""

    def __init__(self, variants: int, seed: int):
        self.tables = statistics()
        self.rng = random.Random(seed)
        self.draws = Draws(seed)
        self.variants = variants
        self.others = [status for status, share in _UNLABELLED.items() for _ in range(round(share * variants))]
        self.gene_weights = gene_weights(self.tables)
        self.genes = self._make_genes(variants + len(self.others))

    def _make_genes(self, size: int) -> list[genome.Gene]:
        tables, rng = self.tables, self.rng
        genes = [
            genome.Gene(
                symbol,
                chromosome,
                strand,
                exons,
                transcript,
                loftool,
                900000 + i,
                [(*tables["conditions"][k], n) for k, n in named],
            )
            for i, (symbol, chromosome, strand, exons, transcript, loftool, *_, named) in enumerate(tables["genes"])
        ]
        loftool = [gene.loftool for gene in genes]
        genes += [
            genome.Gene(
                f"DEMO{i + 1}",
                genome.draw(tables["chromosomes"], rng),
                rng.choice((1, -1)),
                rng.randint(2, 30),
                f"NM_{900000000 + i}.1",
                rng.choice(loftool),
                910000 + i,
                [],
            )
            for i in range(tables["other_genes"]["genes"])
        ]
        shares = np.sum(list(self.gene_weights.values()), axis=0)
        genome.place(genes, (shares / shares.sum() * size).tolist(), rng)
        return genes

    def records(self) -> list[_Record]:
        """All records in the order of a VCF."""
        tables, draws, others = self.tables, self.draws, len(self.others)
        cells = spread(tables["consequence_frequency_class"])
        weights = [n for *_, n in cells]
        drawn = [cells[i] for part in (self.variants, others) for i in draws.systematic(weights, part)]
        consequences, bands, labels = ([cell[k] for cell in drawn] for k in range(3))
        groups = [consequence_group(c) for c in consequences]
        coarse = [tables["coarse_bands"][band] for band in bands]
        patterns = draws.from_table("condition_patterns", groups, coarse, labels)
        main = [m for m, *_ in patterns]
        gene_keys = list(zip(groups, labels, main, map(bool, bands), strict=True))
        columns = zip(
            consequences,
            labels,
            draws.choose(gene_keys, self.gene_weights),
            gene_keys,
            bands,
            patterns,
            draws.from_table("frequency_sources", main, bands, labels),
            draws.from_table("source_patterns", groups, coarse, main, labels),
            draws.from_table("origin", labels),
            draws.scores(consequences, labels),
            (draws.rng.permutation(len(drawn)) + 90_000_001).tolist(),
            [None] * self.variants + self.others,
            strict=True,
        )
        taken: set[tuple] = set()
        records: list[_Record] = []
        for consequence, label, number, key, band, pattern, (seen,), (source,), (
            origin,
        ), scores, identifier, status in columns:
            gene, change = self._place(number, consequence, key, taken)
            if status is None:
                status = CONFLICTING[self.rng.random() < 0.4] if label else AGREED
            record = _Record(gene, change, consequence, label, status, identifier, {}, "")
            record.info = self._info(record, self._frequencies(band, seen), pattern, source, origin)
            record.csq = self._csq(record, *scores)
            records.append(record)
        self._make_odd(records)
        return _in_vcf_order(records)

    def _place(self, number: int, consequence: str, key: tuple, taken: set) -> tuple[genome.Gene, genome.Change]:
        """A gene and a variant that no other record has; another gene where this one is full or has no intron."""
        while True:
            gene = self.genes[number]
            for _ in range(30):
                change = genome.change(gene, consequence, self.tables, self.rng)
                if change and (site := (gene.chromosome, change.position, change.ref, change.alt)) not in taken:
                    taken.add(site)
                    return gene, change
            [number] = self.draws.choose([key], self.gene_weights)

    def _frequencies(self, band: int, seen_in: str) -> dict[str, str]:
        if not band:
            return {}
        rng = self.rng
        low, high = self.tables["frequency_bands"][band - 1 : band + 1]
        names = [n for n, digit in zip(AF_COLUMNS, seen_in, strict=True) if digit == "1"]
        steps = {n: 1e5 if n == "AF_EXAC" else 1e4 for n in names}  # ExAC has five decimals, the others four
        largest = min(names, key=lambda n: (steps[n] if high <= 1e-4 else 0, rng.random()))
        value = high if low == 0 else low * (high / low) ** rng.random()
        top = math.ceil(round(value * steps[largest], 6)) / steps[largest]
        out = {}
        for name in names:
            there = top if name == largest else top * math.exp(-abs(rng.gauss(0, 0.6)))
            there = max(math.floor(round(there * steps[name], 6)), 1) / steps[name]
            out[name] = f"{there:.5f}" if name == "AF_EXAC" else f"{there:.4f}"
        return out

    def _conditions(
        self, gene: genome.Gene, pattern: tuple[int, int, int, int], *, single: bool
    ) -> list[tuple[str, str]]:
        _, not_specified, not_provided, specific = pattern
        generic = [pair for pair, there in zip(_GENERIC.items(), (not_specified, not_provided), strict=True) if there]
        pool: list[tuple[str, str, int]] = [
            *gene.conditions,
            (f"{gene.symbol}-related_disorder", f"MedGen:CN{gene.number}", 5),
        ]
        named = []
        for i in range(specific):
            if not pool:
                named.append((f"{gene.symbol}-related_disorder_type_{i + 1}", f"MedGen:CN{gene.number + 50000 + i}"))
                continue
            name, identifiers, _ = pool.pop(self.rng.choices(range(len(pool)), [n for *_, n in pool])[0])
            named.append((name, identifiers))
        found = named + generic
        return found[:1] if single else found

    def _info(self, record: _Record, frequencies: dict, pattern: tuple, sources: str, origin: str) -> dict:
        rng, gene, change = self.rng, record.gene, record.change
        single = record.status not in _LABELLED
        conditions = self._conditions(gene, pattern, single=single)
        if not single and rng.random() < 0.004:
            conditions.append(rng.choice(_ODD_CONDITIONS))
        listed = sources.split("|")[:1] if single else sources.split("|")
        molecular = genome.draw(self.tables["molecular_consequence"][record.consequence], rng)
        neighbour = f"|{gene.neighbour}:{gene.number + 40000}" if gene.neighbour else ""
        significance, conflict = self._significance(record)
        values = {
            **frequencies,
            "ALLELEID": str(record.identifier + 15000),
            "CLNDISDB": "|".join(i for _, i in conditions),
            "CLNDN": "|".join(n for n, _ in conditions),
            "CLNHGVS": f"{change.hgvs}[synthetic]",
            "CLNREVSTAT": record.status,
            "CLNSIG": significance,
            "CLNSIGCONF": conflict,
            "CLNVC": change.kind,
            "CLNVCSO": _SEQUENCE_ONTOLOGY[change.kind],
            "CLNVI": "|".join(f"{source}:{_source_identifier(source, record)}" for source in listed if source),
            "GENEINFO": f"{gene.symbol}:{gene.number}{neighbour}",
            "MC": molecular,
            "ORIGIN": origin,
            "RS": str(9_000_000_000 + record.identifier) if rng.random() < 0.85 else "",
            "SSR": rng.choice("111116").replace("6", "16") if rng.random() < 0.002 else "",
        }
        if not record.status:  # ClinVar since 2024: only an oncogenicity or somatic classification
            values["ONCREVSTAT"] = SINGLE
        return {**{key: value for key, value in values.items() if value}, "SYNTHETIC": None}

    def _significance(self, record: _Record) -> tuple[str, str]:
        """CLNSIG and CLNSIGCONF."""
        rng, modern, group = self.rng, self.tables["modern"], consequence_group(record.consequence)
        if record.status in CONFLICTING:
            new = record.status == CONFLICTING[1]
            terms = genome.draw(modern["conflict_terms"][group], rng).split("|")
            if new and rng.random() < 0.02:
                terms.append(rng.choice(("Likely_pathogenic,_low_penetrance", "Uncertain_risk_allele", "other")))
            # Both separators are met in both eras; a few conflicts do not say what they are about.
            separator = "|" if new != (rng.random() < 0.05) or any("," in t for t in terms) else ","
            text = separator.join(f"{term}({rng.choice((1, 1, 1, 2, 3))})" for term in terms)
            name = "classifications" if new else "interpretations"
            return f"Conflicting_{name}_of_pathogenicity", text if rng.random() > 0.01 else ""
        if not record.status or record.status == "no_assertion_provided":
            return "not_provided" if record.status else "", ""
        return genome.draw(modern["single_submitter" if record.status == SINGLE else "agreed"][group], rng), ""

    def _csq(self, record: _Record, phred: str, raw: str, sift: str, polyphen: str) -> str:
        gene, change = record.gene, record.change
        everywhere = {
            "Allele": change.vep["Allele"],
            "SYMBOL": gene.symbol,
            "Gene": str(gene.number),
            "Feature_type": "Transcript",
            "STRAND": str(gene.strand),
            "SYMBOL_SOURCE": "EntrezGene",
            "LoFtool": gene.loftool,
            "CADD_PHRED": phred,
            "CADD_RAW": raw,
        }
        if "RS" in record.info:
            everywhere["Existing_variation"] = f"rs{record.info['RS']}"
        main = {
            **everywhere,
            **change.vep,
            "Consequence": record.consequence,
            "Feature": gene.transcript,
            "IMPACT": genome.impact(record.consequence),
            "BIOTYPE": "protein_coding",
            "MANE_SELECT": gene.mane,
            "CANONICAL": gene.canonical,
            "BAM_EDIT": gene.bam_edit,
            "SIFT": sift,
            "PolyPhen": polyphen,
        }
        if "missense" in record.consequence:
            main["BLOSUM62"] = genome.blosum62(main["Amino_acids"])
        blocks = self._beside(gene, main, everywhere)
        blocks.insert(len(blocks) if gene.other_first else 0, main)
        return ",".join("|".join(_fields({**_NO_FIELDS, **block})) for block in blocks)

    def _beside(self, gene: genome.Gene, main: dict[str, str], everywhere: dict[str, str]) -> list[dict[str, str]]:
        """Blocks of the gene's other transcripts and of its neighbour."""

        def nearby(consequence: str) -> dict[str, str]:
            distance = str(self.rng.randint(1, 5000))
            return {**everywhere, "DISTANCE": distance, "Consequence": consequence, "IMPACT": "MODIFIER"}

        blocks = []
        for accession, biotype, consequence in gene.others:
            same = {**main, "MANE_SELECT": "", "CANONICAL": "", "HGVSc": "", "HGVSp": ""}
            own = nearby(consequence) if consequence else same
            blocks.append({**own, "Feature": accession, "BIOTYPE": biotype})
        if gene.neighbour:
            blocks.append(
                {
                    **nearby("upstream_gene_variant"),
                    "SYMBOL": gene.neighbour,
                    "Gene": str(gene.number + 40000),
                    "Feature": f"NR_{90000000 + gene.number}.1",
                    "BIOTYPE": "lncRNA",
                    "STRAND": str(-gene.strand),
                    "LoFtool": "",
                }
            )
        return blocks

    def _make_odd(self, records: list[_Record]) -> None:
        """A few records as ClinVar and VEP also write them: rare keys, missing parts, records that VEP leaves out."""
        rng, labelled, rest = self.rng, records[: self.variants], records[self.variants :]
        for record in rng.sample(labelled, self.variants // 300):
            included = rng.choice(labelled)
            said = rng.choice(("Pathogenic", "risk_factor", "Likely_pathogenic"))
            record.info |= {f"{key}INCL": (included.info[key] or "").split("|")[0] for key in ("CLNDN", "CLNDISDB")}
            record.info["CLNSIGINCL"] = f"{included.identifier}:{said}"
        for record in rng.sample(labelled, self.variants // 300):
            record.info["CLNVI"] = f"Synthetic_Laboratory,Universität_Demo:id={record.identifier}%2C{rng.randint(1, 9)}"
        for record in rng.sample(labelled, self.variants // 600):
            record.csq = record.csq.rstrip("|")  # VEP cuts trailing empty fields in some versions
        for i, record in enumerate(rng.sample(rest, len(rest) // 200)):
            if i % 3 == 0:
                record.csq = ""  # only in ClinVar's file
            else:
                record.info["DBVARID"] = f"nsv{9_000_000 + i}"
        for record in [record for record in rest if not record.status][:2]:
            record.info = {}  # INFO is a dot


def _source_identifier(source: str, record: _Record) -> str:
    number = record.identifier - 90_000_000
    if source == "OMIM_Allelic_Variant":
        return f"{record.gene.number}.{number % 10000:04d}"
    if source == "UniProtKB_(protein)":
        return f"Z{record.gene.number % 100000:05d}#VAR_{900000 + number}"
    return str(9_000_000 + number)


def _earlier(record: _Record, earlier: dict, rng: random.Random) -> list[dict | None]:
    """INFO of one record in each earlier release; None where it was not there yet."""
    if record.status not in _LABELLED:
        newest = rng.random() < 0.4 and record.status == SINGLE
        shown = [record.info if newest and rng.random() < 0.9 else None for _ in earlier["releases"][1:]]
        return [*shown, record.info if newest else None]
    tables, group, label = statistics(), consequence_group(record.consequence), record.label
    histories = [row for row in spread(earlier["status"]) if row[-2] == label]
    statuses = rng.choices(histories, [n for *_, n in histories])[0][:-2]
    said = {s: n for g, s, c, n in spread(earlier["single_submitter_said"]) if (g, c) == (group, label)}
    significance = {
        "criteria provided, multiple submitters, no conflicts": genome.draw(tables["modern"]["agreed"][group], rng),
        "criteria provided, conflicting interpretations": "Conflicting_interpretations_of_pathogenicity",
    }
    # The tab-delimited releases list "Benign;Likely benign" by the alphabet, VCF the stronger term first.
    of_one = "/".join(sorted(genome.draw(said, rng).replace(" ", "_").split(";"), key=lambda t: t.startswith("Likely")))
    terms = genome.draw(tables["modern"]["conflict_terms"][group], rng).split("|")
    out = []
    for status in statuses:
        info = {key: value for key, value in record.info.items() if key != "CLNSIGCONF"}
        info.update(CLNREVSTAT=status.replace(" ", "_"), CLNSIG=significance.get(status, of_one))
        if "conflicting" in status:
            info["CLNSIGCONF"] = ",".join(f"{term}(1)" for term in terms)
        elif status not in significance:
            info |= {key: (info[key] or "").split("|")[0] for key in ("CLNDN", "CLNDISDB", "CLNVI") if key in info}
        out.append(None if status == "absent" else info)
    return out
