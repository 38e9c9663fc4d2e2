"""`annotate`: what the annotator is asked, and that records come back as they were, with CSQ."""

from __future__ import annotations

import gzip
import json
import os
import re
import threading

import pysam
import pytest
from places import ROOT
from typer.testing import CliRunner

from genomicslearning import InputError
from genomicslearning.annotate import annotate_vcf, caches, plugins, programs
from genomicslearning.annotate import vcf as annotate_room
from genomicslearning.annotate.reference import Reference, assembly_of
from genomicslearning.cli.app import app
from genomicslearning.io.vcf import Vcf
from genomicslearning.training_set.table import VEP_COLUMNS

HEADER = "##fileformat=VCFv4.2\n##reference=GRCh38\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
# Chromosomes mixed, positions unsorted, a key that no header declares, a number with a last zero, several ALTs,
# ALTs that are no sequence, a chromosome that the cache does not know, an older CSQ, a place with no answer.
RECORDS = [
    ("2", "20", "7", "A", "G", "AF_ESP=0.10020;UNDECLARED;X=%3D"),
    ("1", "30", "rs1", "A", "G,T", "."),
    ("chr2", "10", ".", "A", "<DEL>", "SVTYPE=DEL"),
    ("GL000195.1", "5", ".", "C", "T", "K=1"),
    ("1", "13", "9", "AT", "A", "K=2"),
    ("chr1", "12", "8", "C", "*,G", "CSQ=old|old;K=3"),
    ("2", "15", ".", "C", ".", "K=4"),
    ("2", "15", ".", "c", "cA", "K=5"),
]


def write(path, records=RECORDS, header=HEADER):
    lines = ["\t".join((chrom, pos, name, ref, alt, ".", "PASS", info)) for chrom, pos, name, ref, alt, info in records]
    path.write_text(header + "\n".join(lines) + "\n")
    return path


def lines_of(path):
    with gzip.open(path, "rt") as file:
        return [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]


def without_csq(info):
    return ";".join(item for item in info.split(";") if not item.startswith("CSQ=")) or "."


def blocks_of(info, fields):
    csq = next((item[4:] for item in info.split(";") if item.startswith("CSQ=")), "")
    return [dict(zip([*fields, "ALLELE_NUM"], block.split("|"), strict=True)) for block in csq.split(",") if block]


@pytest.fixture
def annotated(tmp_path, stand_in, fasta, converted_cache):
    source, target = write(tmp_path / "in.vcf"), tmp_path / "out.vcf.gz"
    report = annotate_vcf(source, target, vep_cache=converted_cache, fasta=fasta, program=stand_in)
    return source, target, report


def test_records_order_and_info_are_kept(annotated):
    source, target, report = annotated
    found = lines_of(target)
    assert [[*row[:7], without_csq(row[7])] for row in found] == [
        [chrom, pos, name, ref, alt, ".", "PASS", without_csq(info)] for chrom, pos, name, ref, alt, info in RECORDS
    ]
    assert report["records_read"] == report["records_written"] == len(RECORDS)
    assert report["quarantined"] == 0
    assert json.loads((target.parent / "out.vcf.gz.report.json").read_text()) == report


def test_each_alt_has_the_annotation_of_its_own_site(annotated):
    _, target, report = annotated
    found = [[(b["SYMBOL"], b["Allele"], b["ALLELE_NUM"]) for b in blocks_of(r[7], report["fields"])]
             for r in lines_of(target)]  # fmt: skip
    assert found == [
        [("2:20", "G", "1")],
        [("1:30", "G", "1"), ("1:30", "T", "2")],
        [],
        [],
        [],
        [("1:12", "G", "2")],
        [],
        [("2:15", "cA", "1")],
    ]
    assert report["alleles"] == 10
    assert report["alleles_annotated"] == 5
    assert report["not_annotated"] == {"unsupported_allele": 3, "contig_not_in_cache": 1, "no_annotation": 1}
    assert report["replaced_csq"] == 1
    assert any("GL000195.1 (1)" in warning for warning in report["warnings"])


def test_output_is_bgzip_that_pysam_indexes_and_reads(tmp_path, stand_in, fasta, converted_cache):
    contigs = "".join(f"##contig=<ID={name},length=300>\n" for name in ("1", "2"))
    rows = [("1", str(at), ".", "A", "C", ".") for at in range(1, 300)]
    source = write(tmp_path / "in.vcf", rows, HEADER.replace("#CHROM", contigs + "#CHROM"))
    target = tmp_path / "out.vcf.gz"
    annotate_vcf(source, target, vep_cache=converted_cache, fasta=fasta, program=stand_in)
    pysam.tabix_index(str(target), preset="vcf")
    with pysam.VariantFile(str(target)) as vcf:
        [record] = vcf.fetch("1", 99, 100)
        assert record.pos == 100
        assert record.info["CSQ"][0].startswith("C|missense_variant")


def test_chromosomes_may_be_named_by_accession_and_the_vcf_may_be_a_pipe(tmp_path, stand_in, fasta, converted_cache):
    source = write(tmp_path / "in.vcf", [("NC_000001.11", "30", ".", "A", "G", "K=1")])
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=lambda: pipe.write_bytes(source.read_bytes()))
    feeder.start()
    target = tmp_path / "out.vcf.gz"
    report = annotate_vcf(pipe, target, vep_cache=converted_cache, fasta=fasta, program=stand_in)
    feeder.join()
    [row] = lines_of(target)
    assert row[:2] == ["NC_000001.11", "30"]
    assert blocks_of(row[7], report["fields"])[0]["SYMBOL"] == "1:30"
    assert report["inputs"][0]["name"] == "pipe"


def test_a_malformed_record_is_set_aside(tmp_path, stand_in, fasta, converted_cache):
    rows = [("1", "x", ".", "A", "C", "."), *RECORDS]
    source, target = write(tmp_path / "in.vcf", rows), tmp_path / "out.vcf.gz"
    report = annotate_vcf(source, target, vep_cache=converted_cache, fasta=fasta, program=stand_in)
    assert (report["records_read"], report["records_written"], report["quarantined"]) == (9, 8, 1)
    assert (tmp_path / "out.vcf.gz.quarantine.vcf").read_text().splitlines()[-1].startswith("1\tx\t")


def test_every_column_of_vep_is_asked_for_or_named_with_what_fills_it():
    assert {*plugins.COLUMN_FIELDS, *plugins.FILLED_BY} == set(VEP_COLUMNS)


def test_columns_that_stay_empty_are_named(annotated):
    *_, report = annotated
    assert set(report["empty_columns"]) == {"BAM_EDIT", "LoFtool", "CADD_PHRED", "CADD_RAW", "BLOSUM62"}
    assert plugins.empty_columns(["CADD_phred", "cadd_raw", "LoFtool", "BLOSUM62", "BAM_EDIT"]) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"header": HEADER.replace("GRCh38", "file:///ref/hg19.fa")}, r"in.vcf is GRCh37, the cache 115_GRCh38"),
        ({"header": HEADER.replace("##reference=GRCh38", "##contig=<ID=chr1,length=249250621>")}, "in.vcf is GRCh37"),
        ({"name": "out.vcf"}, "name it .+vcf.gz"),
        ({"program": "/nowhere/vepyr"}, "no program that can be run"),
        ({"vep_cache": "nowhere"}, "no such folder"),
        ({"fasta": "nowhere.fa"}, "no such file"),
        ({"plugin_cache": "."}, "holds no plugin"),
    ],
    ids=["reference", "contigs", "name", "program", "cache", "fasta", "plugins"],
)
def test_what_cannot_be_annotated_is_refused_and_leaves_nothing(
    tmp_path, stand_in, fasta, converted_cache, change, message
):
    source = write(tmp_path / "in.vcf", header=change.pop("header", HEADER))
    target = tmp_path / "result" / change.pop("name", "out.vcf.gz")
    options = {"vep_cache": converted_cache, "fasta": fasta, "program": stand_in} | change
    if "plugin_cache" in change:
        options["plugin_cache"] = tmp_path
    with pytest.raises(InputError, match=message):
        annotate_vcf(source, target, **options)
    assert not target.parent.exists()


def test_a_reference_with_other_bases_is_another_assembly(tmp_path, stand_in, converted_cache):
    fasta = tmp_path / "c.fa"
    fasta.write_text(">1\n" + "C" * 300 + "\n>2\n" + "C" * 300 + "\n")
    source = write(tmp_path / "in.vcf", [("1", str(at), ".", "A", "G", ".") for at in range(1, 30)])
    with pytest.raises(InputError, match="REF differs from .+ in 29 of the first 29 records"):
        annotate_vcf(source, tmp_path / "o.vcf.gz", vep_cache=converted_cache, fasta=fasta, program=stand_in)


def test_a_program_that_fails_is_heard(tmp_path, stand_in, fasta, converted_cache):
    words = "EXCEPTION\\nMSG: ERROR: Cache is \\033[31mbroken\\nSTACK main::run"
    stand_in.write_text(
        f"#!/bin/sh\ncase $1 in --version) echo vepyr 0.10.0; exit;; esac\nprintf '{words}' >&2; exit 9\n"
    )
    earlier = tmp_path / "out.vcf.gz"
    earlier.write_text("earlier")
    with pytest.raises(InputError, match=r"^vepyr failed \(exit 9\): ERROR: Cache is \\x1b\[31mbroken$"):
        annotate_vcf(write(tmp_path / "in.vcf"), earlier, vep_cache=converted_cache, fasta=fasta, program=stand_in)
    assert earlier.read_text() == "earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "115_GRCh38_ensembl", "bin", "in.vcf", "out.vcf.gz", "reference.fa", "reference.fa.fai",
    ]  # fmt: skip


def test_the_last_line_is_what_a_program_said():
    assert programs.last_words("warning: a\n\nvepyr: error: no contig\n") == "vepyr: error: no contig"
    assert programs.last_words("") == "it said nothing"


def test_ensembls_vep_is_told_the_same(tmp_path, fasta):
    folder = tmp_path / "homo_sapiens_refseq" / "110_GRCh37"
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "1-1000000.gz").touch()
    (folder / "info.txt").write_text("species\thomo_sapiens\nassembly\tGRCh37\n")
    modules = tmp_path / "plugins"
    modules.mkdir()
    for name in ("CADD.pm", "Blosum62.pm", "LoFtool.pm", "LoFtool_scores.txt", "whole_genome_SNVs.tsv.gz"):
        (modules / name).touch()
    program = tmp_path / "vep"
    program.write_text(
        "#!/bin/sh\n[ $1 = --help ] && { echo '  ensembl-vep          : 110.1'; exit; }\n"
        f'printf "%s\\n" "$@" > {tmp_path}/asked\n'
        "printf '##INFO=<ID=CSQ,Number=.,Type=String,Description=\"x Format: Allele|Consequence\">\\n'\n"
        "printf '1\\t30\\t0\\tA\\tG\\t.\\t.\\tCSQ=G|stop_gained\\n'\n"
    )
    program.chmod(0o755)
    source = write(tmp_path / "in.vcf", [("chr1", "30", "x", "A", "G", "K=1")], HEADER.replace("GRCh38", "GRCh37"))
    target = tmp_path / "out.vcf.gz"
    report = annotate_vcf(source, target, vep_cache=tmp_path, fasta=fasta, program=program, plugin_cache=modules)
    assert lines_of(target) == [["chr1", "30", "x", "A", "G", ".", "PASS", "K=1;CSQ=G|stop_gained|1"]]
    assert (report["program"], report["cache"]) == ("vep 110.1", "110_GRCh37_refseq")
    asked = (tmp_path / "asked").read_text().split("\n")
    for option, value in (("--cache_version", "110"), ("--assembly", "GRCh37"), ("--fasta", str(fasta))):
        assert asked[asked.index(option) + 1] == value
    assert {"--refseq", "--offline", "--flag_pick", "--mane"} <= set(asked)
    fields = asked[asked.index("--fields") + 1].split(",")
    assert {*VEP_COLUMNS} <= {*fields}
    assert [word for word in asked if word.startswith(("CADD", "LoFtool", "Blosum62"))] == [
        f"CADD,{modules}/whole_genome_SNVs.tsv.gz", f"LoFtool,{modules}/LoFtool_scores.txt", "Blosum62",
    ]  # fmt: skip


#: Options of Ensembl's VEP that we use, and whether they take a value: as its Config.pm lists them
#: (github.com/Ensembl/ensembl-vep, modules/Bio/EnsEMBL/VEP/Config.pm, read in the releases since 110).
PUBLISHED = {
    "format": True, "input_file": True, "vcf": False, "output_file": True, "no_stats": False, "quiet": False,
    "fasta": True, "offline": False, "cache": False, "dir_cache": True, "species": True, "cache_version": True,
    "assembly": True, "refseq": False, "merged": False, "fields": True, "flag_pick": False, "symbol": False,
    "biotype": False, "numbers": False, "canonical": False, "mane": False, "sift": True, "polyphen": True,
    "regulatory": False, "af": False, "af_gnomade": False, "af_gnomadg": False, "max_af": False, "dir_plugins": True,
    "plugin": True, "compress_output": True, "force_overwrite": False, "everything": False, "allele_number": False,
}  # fmt: skip


def check_options(words: list[str]) -> None:
    """Every option is published, and has a value if and only if it takes one."""
    given = [place for place, word in enumerate(words) if word.startswith("--")]
    for place, following in zip(given, [*given[1:], len(words)], strict=True):
        name = words[place].removeprefix("--")
        assert name in PUBLISHED, name
        assert following - place == 1 + PUBLISHED[name], words[place:following]


def test_what_ensembls_vep_is_told_are_its_published_options(tmp_path):
    cache = caches.Cache(tmp_path / "homo_sapiens_refseq" / "115_GRCh38", "115", "GRCh38", "refseq", frozenset(), False)
    for name in ("CADD.pm", "Blosum62.pm", "LoFtool.pm", "LoFtool_scores.txt", "whole_genome_SNVs.tsv.gz"):
        (tmp_path / name).touch()
    (tmp_path / "r.fa").write_text(">1\nN\n")
    tool = programs.Program("vep", programs.VEP, "115.0")
    found = plugins.find(tmp_path, tool)
    command = annotate_room._command(tool, cache, found, Reference(tmp_path / "r.fa"), tmp_path)
    check_options(command[1:])
    assert command.count("--plugin") == 3 and "--refseq" in command


def test_the_command_in_the_docs_has_published_options():
    page = (ROOT / "docs" / "annotate.md").read_text(encoding="utf-8")
    [command] = re.findall(r"```\n(vep --input_file .*?)```", page, re.DOTALL)
    check_options(command.replace("\\\n", " ").split()[1:])


def test_plugin_caches_of_vepyr_are_passed_on(tmp_path):
    folder = tmp_path / "plugin" / "cadd"
    folder.mkdir(parents=True)
    columns = [{"column": "phred", "csq_field": "CADD_PHRED"}, {"column": "raw", "csq_field": "CADD_RAW"}]
    (folder / "manifest.json").write_text(json.dumps({"plugin_name": "cadd", "value_columns": columns}))
    program = programs.Program("vepyr", programs.VEPYR, "0.10.0")
    for given in (tmp_path, tmp_path / "plugin"):
        found = plugins.find(given, program)
        assert found == plugins.Plugins(("cadd",), ("--plugin_cache_root", str(tmp_path)), ("CADD_PHRED", "CADD_RAW"))
    (folder / "manifest.json").write_text("{")
    with pytest.raises(InputError, match="manifest.json: cannot be read"):
        plugins.find(tmp_path, program)


def test_several_caches_are_told_apart_by_the_vcfs_assembly(tmp_path):
    for name in ("115_GRCh38", "114_GRCh38", "115_GRCh37"):
        folder = tmp_path / "homo_sapiens" / name
        (folder / "1").mkdir(parents=True)
        (folder / "1" / "1-1000000.gz").touch()
        (folder / "info.txt").write_text(f"assembly\t{name[4:]}\n")
    assert caches.find(tmp_path, "GRCh38").name == "115_GRCh38"
    assert caches.find(tmp_path, "GRCh37").name == "115_GRCh37"
    with pytest.raises(InputError, match="holds several VEP caches"):
        caches.find(tmp_path)


def test_the_fastas_index_is_samtools_own(tmp_path):
    path = tmp_path / "a.fa"
    path.write_text(">1 first\nACGTA\nACGTA\nAC\n>chr2\nGGGG\n")
    Reference(path)
    ours = (tmp_path / "a.fa.fai").read_text()
    (tmp_path / "a.fa.fai").unlink()
    pysam.faidx(str(path))
    assert (tmp_path / "a.fa.fai").read_text() == ours
    reference = Reference(path)
    assert reference.name_of("chr1") == "1"
    assert reference.name_of("2") == "chr2"
    assert reference.name_of("3") is None
    assert [reference.differs("1", at, b"A") for at in (1, 2, 6, 11, 13)] == [False, True, False, False, None]
    assert reference.differs("1", 4, b"taac") is False


def test_a_file_that_is_no_fasta_is_refused(tmp_path):
    path = tmp_path / "a.fa"
    path.write_text("ACGT\n")
    with pytest.raises(InputError, match="a.fa:1: no FASTA"):
        Reference(path)
    path.write_text(">1\nACG\nA\nACG\n")
    with pytest.raises(InputError, match="a.fa:4: lines of unequal length"):
        Reference(path)


def test_a_header_tells_its_assembly(tmp_path):
    for line, expected in (
        ("##reference=/data/hs37d5.fa", "GRCh37"),
        ("##reference=GRCh38.p14", "GRCh38"),
        ("##contig=<ID=chr22,length=50818468>", "GRCh38"),
        ("##contig=<length=51304566,ID=22>", "GRCh37"),
        ('##VEP="v109" assembly="GRCh37.p13"', "GRCh37"),
        ("##contig=<ID=22>", None),
    ):
        path = write(tmp_path / "a.vcf", header=HEADER.replace("##reference=GRCh38", line))
        with Vcf(path) as vcf:
            assert assembly_of(vcf) == expected


def test_the_command_says_what_it_did(tmp_path, stand_in, fasta, converted_cache):
    source, target = write(tmp_path / "in.vcf"), tmp_path / "out.vcf.gz"
    arguments = ["annotate", str(source), str(target), "--vep-cache", str(converted_cache), "--fasta", str(fasta)]
    answer = CliRunner().invoke(app, [*arguments, "--program", str(stand_in)])
    assert answer.exit_code == 0
    assert "8 of 8 records written, 5 of 10 alleles annotated by vepyr 0.10.0, cache 115_GRCh38" in answer.stdout
    assert "column CADD_PHRED stays empty without VEP's plugin CADD" in answer.stdout
