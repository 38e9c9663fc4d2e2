"""The real annotator on a slice of Ensembl's own cache: gene CCT8L2, one exon, minus strand, worked out by hand.

The coding sequence begins at 22:16,592,550 and runs down: base c of it is at 16,592,551 - c, complemented.
It begins ATG GAC AGC ACA GTC CCT TCA GCC CTG GAG CTG CCC CAG CGG (M D S T V P S A L E L P Q R).
"""

from __future__ import annotations

import gzip
import json
from itertools import product

import pytest
from typer.testing import CliRunner

from genomicslearning.cli.app import app
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import read_table

CODING = "ATGGACAGCACAGTCCCTTCAGCCCTGGAGCTGCCCCAGCGGCTGGCACTGAACCCAAGGGAGAGCCCGAGGAGTCCAGAAGAGGAGGAGCCCCACCTGCTG"
COMPLEMENT = str.maketrans("ACGT", "TGCA")
HEADER = (
    "##fileformat=VCFv4.1\n##fileDate=2026-02-26\n##source=ClinVar\n##reference=GRCh38\n##contig=<ID=22>\n"
    + "".join(
        f'##INFO=<ID={key},Number=.,Type=String,Description="{key}">\n'
        for key in ("AF_EXAC", "ALLELEID", "CLNHGVS", "CLNREVSTAT", "CLNSIG", "GENEINFO", "MC")
    )
    + "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
)
AGREE = "criteria_provided,_multiple_submitters,_no_conflicts"
SINGLE = "criteria_provided,_single_submitter"
CONFLICT = "criteria_provided,_conflicting_classifications"


def at(base: int) -> int:
    """Place on the chromosome of a base of the coding sequence."""
    return 16_592_551 - base


# Position, REF, ALT, consequence, gene, protein position, amino acids, codons.
BY_HAND = [
    # Intergenic, at the slice's edge; gnomAD v4.1's genomes have it.
    (16_000_003, "G", "A", "intergenic_variant", "", "", "", ""),
    # c.44_46 CTG GCA: -> a base more in codon 15 shifts the frame.
    (at(45), "C", "CA", "frameshift_variant", "CCT8L2", "15", "", ""),
    # c.37C>T: CAG (Q) -> TAG
    (at(37), "G", "A", "stop_gained", "CCT8L2", "13", "Q/*", "Cag/Tag"),
    # c.8del, written with the base before it on the plus strand (c.9).
    (at(9), "GC", "G", "frameshift_variant", "CCT8L2", "3", "S/X", "aGc/ac"),
    # c.6C>T: GAC -> GAT, both D
    (at(6), "G", "A", "synonymous_variant", "CCT8L2", "2", "D", "gaC/gaT"),
    # c.5A>T: GAC (D) -> GTC (V)
    (at(5), "T", "A", "missense_variant", "CCT8L2", "2", "D/V", "gAc/gTc"),
    # c.1A>G: no start
    (at(1), "T", "C", "start_lost", "CCT8L2", "1", "M/V", "Atg/Gtg"),
    # The transcript's first base, of its 5' UTR (GTTGAG…)
    (16_592_810, "C", "A", "5_prime_UTR_variant", "CCT8L2", "", "", ""),
    # Beyond it
    (16_592_811, "G", "A", "upstream_gene_variant", "CCT8L2", "", "", ""),
]


def record(number, position, ref, alt, status=AGREE):
    info = f"AF_EXAC=0.10020;ALLELEID={number};CLNREVSTAT={status};CLNSIG=x;GENEINFO=CCT8L2:150160;UNDECLARED=%3D"
    return f"22\t{position}\t{number}\t{ref}\t{alt}\t.\t.\t{info}"


def annotate(source, target, cache, fasta):
    arguments = ["annotate", str(source), str(target), "--vep-cache", str(cache), "--fasta", str(fasta)]
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def lines_of(path):
    with gzip.open(path, "rt") as file:
        return [line.rstrip("\n") for line in file if not line.startswith("#")]


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory, annotator, slice_cache, users_cache, masked_fasta):
    folder = tmp_path_factory.mktemp("by-hand")
    records = [record(number, *row[:3], CONFLICT if number % 2 else AGREE) for number, row in enumerate(BY_HAND, 1000)]
    source, target = folder / "clinvar.vcf", folder / "clinvar.annotated.vcf.gz"
    source.write_text(HEADER + "\n".join(records) + "\n")
    annotate(source, target, slice_cache, masked_fasta(source))
    return records, target


def test_records_keep_their_text(by_hand):
    records, target = by_hand
    assert [line.partition(";CSQ=")[0] for line in lines_of(target)] == records
    report = json.loads(target.with_name(target.name + ".report.json").read_text())
    assert report["records_read"] == report["records_written"] == report["alleles_annotated"] == len(BY_HAND)
    assert (report["cache"], report["assembly"], report["warnings"]) == ("115_GRCh38", "GRCh38", [])
    assert report["program"].startswith("vepyr 0.10.")


@pytest.mark.parametrize("number", range(len(BY_HAND)), ids=[f"{row[3]}-{row[0]}" for row in BY_HAND])
def test_consequences_are_those_worked_out_by_hand(by_hand, tmp_path, number):
    out = tmp_path / "rows.parquet"
    build_training_set(annotated=by_hand[1], out=out)
    row = read_table(out).iloc[number].fillna("")
    position, ref, alt, consequence, symbol, protein_position, amino_acids, codons = BY_HAND[number]
    assert (row["POS"], row["REF"], row["ALT"]) == (position, ref, alt)
    if consequence == "upstream_gene_variant":
        # A long non-coding transcript on the other side lies over it, too; the gene's own block is there.
        assert f"|{consequence}|MODIFIER|{symbol}|" in lines_of(by_hand[1])[number]
        return
    assert row["Consequence"] == consequence
    assert row["SYMBOL"] == symbol
    assert row["Feature"] == ("ENST00000359963" if symbol else "")
    if amino_acids:
        assert (row["Protein_position"], row["Amino_acids"], row["Codons"]) == (protein_position, amino_acids, codons)
    elif protein_position:
        assert row["Protein_position"].split("-")[0] == protein_position


def test_scores_choice_and_frequencies_come_from_the_cache(by_hand):
    report = json.loads(by_hand[1].with_name(by_hand[1].name + ".report.json").read_text())
    fields = [*report["fields"], "ALLELE_NUM"]
    blocks = {}
    for line in lines_of(by_hand[1]):
        pos, csq = line.split("\t")[1], line.partition("CSQ=")[2]
        found = [dict(zip(fields, block.split("|"), strict=True)) for block in csq.split(",")]
        blocks[int(pos)] = next((block for block in found if block["SYMBOL"] == "CCT8L2"), found[0])
    missense = blocks[at(5)]
    assert (missense["MANE_SELECT"], missense["CANONICAL"], missense["PICK"]) == ("NM_014406.5", "YES", "1")
    assert missense["SIFT"].startswith(("deleterious", "tolerated"))
    assert missense["PolyPhen"].endswith(")")
    # all_vars.gz of the cache: 22:16000003 G/A, gnomADg A:0.000129, its highest population A:0.002661
    assert (blocks[16_000_003]["gnomADg_AF"], blocks[16_000_003]["MAX_AF"]) == ("0.000129", "0.002661")


def test_a_cache_is_converted_once_and_not_beside_a_folder_that_is_read_only(
    by_hand, slice_cache, users_cache, tmp_path
):
    [made] = users_cache.glob("genomicslearning/vep/*/115_GRCh38_ensembl")
    assert not (slice_cache.parent / "vepyr").exists()
    before = (made / "made_from.json").stat().st_mtime_ns
    source = tmp_path / "a.vcf"
    source.write_text(HEADER + record(1, at(5), "T", "A") + "\n")
    (tmp_path / "a.fa").write_text(">22\n" + "N" * 100 + "\n")
    (tmp_path / "a.fa.fai").write_text("22\t50818468\t4\t60\t61\n")
    annotate(source, tmp_path / "a.vcf.gz", made, tmp_path / "a.fa")
    assert (made / "made_from.json").stat().st_mtime_ns == before


@pytest.fixture(scope="module")
def many(tmp_path_factory, annotator, slice_cache, users_cache, masked_fasta):
    """Every single-base change of the first 102 coding bases, as ClinVar records; those of a protein change conflict
    half of the time. Behind them twenty of the 5' UTR that one laboratory has classified."""
    folder = tmp_path_factory.mktemp("many")
    records = []
    for number, (place, new) in enumerate(product(range(len(CODING), 0, -1), "ACGT"), 1):
        old = CODING[place - 1]
        if new != old:
            status = CONFLICT if place % 3 and number % 2 else AGREE
            records.append(record(number, at(place), old.translate(COMPLEMENT), new.translate(COMPLEMENT), status))
    records += [record(5000 + number, at(-number), "A", "C", SINGLE) for number in range(20)]
    source, target = folder / "clinvar.vcf", folder / "clinvar.annotated.vcf.gz"
    source.write_text(HEADER + "\n".join(records) + "\n")
    fasta = masked_fasta(source)
    annotate(source, target, slice_cache, fasta)
    return source, target, fasta


def test_every_codon_comes_out_as_the_genetic_code_has_it(many, tmp_path):
    bases = "TCAG"
    code = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"
    amino_acid = dict(zip(map("".join, product(bases, repeat=3)), code, strict=True))
    out = tmp_path / "rows.parquet"
    report = build_training_set(clinvar=many[0], annotated=many[1], out=out)
    table = read_table(out)
    assert len(table) == report["rows_written"] == 3 * len(CODING)
    for row in table.itertuples():
        base = 16_592_551 - row.POS
        start = (base - 1) // 3 * 3
        old = CODING[start : start + 3]
        new = CODING[start : base - 1] + row.ALT.translate(COMPLEMENT) + CODING[base : start + 3]
        change = {amino_acid[old], amino_acid[new]}
        expected = amino_acid[old] if len(change) == 1 else f"{amino_acid[old]}/{amino_acid[new]}"
        assert (row.Protein_position, row.Amino_acids) == (str(start // 3 + 1), expected)
