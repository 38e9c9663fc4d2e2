"""Conditions that users of VCF and ClinVar have met: Spark gives the cells and the accounts of one machine."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from vcf_files import AGREE, CONFLICT, write

from genomicslearning import InputError
from genomicslearning.parquet.tsv import tsv_to_parquet
from genomicslearning.parquet.vcf import vcf_to_parquet
from genomicslearning.training_set.build import build_training_set

pytest.importorskip("pyspark")

from test_spark import same_report, session  # noqa: F401  # `session` is a fixture

FIELDS = ["Allele", "Consequence", "SYMBOL", "PICK"]
# In any order, with every kind of ID, alleles that are padded, shared, spanned, and records that repeat.
CLINVAR = [
    f"1 100 11 A G . . {AGREE}",
    f"1 100 12 A T . . {CONFLICT};CLNSIGCONF=Benign(1)|Pathogenic(2)",
    f"1 200 13 CA C . . {AGREE}",
    f"1 210 14 T TG . . {CONFLICT}",
    f"1 300 15 A G . . {AGREE};CLNVC=a",
    f"1 300 16 A G . . {CONFLICT};CLNVC=b",
    "1 400 17 A G . . CLNREVSTAT=practice_guideline",
    f"1 500 18 CAAG CAG . . {AGREE}",
    f"1 500 19 CAAG C . . {CONFLICT}",
    f"MT 5 20 A G . . {AGREE}",
    f"2 7 21 A G . . {AGREE}",
    "broken line",
    f"1 600 22 A G . . {AGREE};X=1;X=2",
]
ANNOTATED = [
    "chr1 100 11 A G,T,C . . CSQ=G|stop_gained|G1|,T|missense_variant|G1|1,C|intron_variant|G1|",
    "chr1 100 12 A G . . CSQ=G|stop_gained|G1|",
    "1 200 rs9 CAA CA,* . . CSQ=-|frameshift_variant|G1|,*|intron_variant|G1|",
    "1 209 rs8;14 AT ATG . . CSQ=G|frameshift_variant|G1|1",
    "1 300 . A G . . CSQ=G|missense_variant|G1|",
    "1 300 16 A G . . CSQ=G|missense_variant|G1|",
    "1 300 16 A G . . CSQ=G|missense_variant|G1|",
    f"1 300 15 A G . . {AGREE};CLNVC=a;CSQ=G|missense_variant|G1|",
    "1 400 17 A G . . CSQ=G|missense_variant|G1|",
    "1 500 . CAAG CAG,C . . CSQ=-|frameshift_variant|G1|,-|missense_variant|G1|",
    "chrM 5 . A G . . CSQ=.",
    "2 8 21 A G . . CSQ=G|missense_variant|G1|",
    "2 7 21 A C . . CSQ=C|missense_variant|G1|",
    "1 x . A G . . .",
    "1 100 11 A G . . CSQ=G|stop_gained|G1| ",
    f"1 600 22 A G . . {AGREE};X=1;X=2;CSQ=G|missense_variant|G1|",
]


@pytest.mark.parametrize("named", [True, False])
def test_training_set(session, tmp_path, named):  # noqa: F811
    """Where both assemblies are named, and where an ID may find a variant at another place."""
    from genomicslearning.spark.training_set import build_on_spark

    clinvar = write(tmp_path / "clinvar.vcf.gz", CLINVAR)
    annotated = write(tmp_path / "annotated.vcf", ANNOTATED, csq=FIELDS)
    if not named:
        annotated.write_text(annotated.read_text().replace("##reference=GRCh38\n", ""))
    for pick in ("flagged", "mane"):
        given = {"clinvar": str(clinvar), "annotated": str(annotated), "pick": pick}
        one = build_training_set(**given, out=tmp_path / "one.csv")
        build_on_spark(session, **given, out=str(tmp_path / "spark.csv"))
        assert (tmp_path / "spark.csv").read_text() == (tmp_path / "one.csv").read_text()
        same_report(one, tmp_path / "spark.csv.report.json")
    first, second = (tmp_path / f"{name}.csv.quarantine.vcf" for name in ("one", "spark"))
    assert first.read_bytes() == second.read_bytes()
    build_training_set(**given, out=tmp_path / "one.parquet")
    assert pq.read_table(tmp_path / "spark.parquet").equals(pq.read_table(tmp_path / "one.parquet"))
    assert one["dropped"]["repeated_record"] == 3
    assert one["ambiguous_allele"] == 2


def test_what_is_refused(session, tmp_path):  # noqa: F811
    from genomicslearning.spark.training_set import build_on_spark

    clinvar = write(tmp_path / "clinvar.vcf", CLINVAR[:4])
    annotated = write(tmp_path / "annotated.vcf", ANNOTATED[:4], csq=FIELDS)
    annotated.write_text(annotated.read_text().replace("##reference=GRCh38", "##reference=hg19"))
    for build in (build_training_set, lambda **given: build_on_spark(session, **given)):
        with pytest.raises(InputError, match="clinvar.vcf .* is GRCh38, annotated.vcf .* is GRCh37"):
            build(clinvar=str(clinvar), annotated=str(annotated), out=str(tmp_path / "t.csv"))
    joined = write(tmp_path / "joined.vcf", [*CLINVAR[:4], "##fileformat=VCFv4.1"])
    for build in (build_training_set, lambda **given: build_on_spark(session, **given)):
        with pytest.raises(InputError, match="a header line between the records"):
            build(clinvar=str(joined), out=str(tmp_path / "t.csv"))


@pytest.mark.parametrize("name", ["bigintlist", "keepcsq", "order", "extratab", "dups"])
def test_case_files_to_parquet(session, shared_data, tmp_path, name):  # noqa: F811
    from genomicslearning.spark.parquet import vcf_to_parquet as on_spark

    # A compressed file under a plain name is told by its content.
    source = tmp_path / "a.vcf"
    source.write_bytes((shared_data / "cases" / f"{name}.vcf").read_bytes())
    one = vcf_to_parquet(source, tmp_path / "one.parquet")
    on_spark(session, str(source), str(tmp_path / "spark.parquet"))
    assert pq.read_table(tmp_path / "spark.parquet").to_pylist() == pq.read_table(tmp_path / "one.parquet").to_pylist()
    same_report(one, tmp_path / "spark.parquet.report.json")


@pytest.mark.parametrize("name", ["submission_summary.txt", "gene_specific.txt", "veptab.txt"])
def test_tables_with_comments(session, shared_data, tmp_path, name):  # noqa: F811
    from genomicslearning.spark.parquet import tsv_to_parquet as on_spark

    source = shared_data / "cases" / name
    one = tsv_to_parquet(source, tmp_path / "one.parquet")
    on_spark(session, str(source), str(tmp_path / "spark.parquet"))
    assert pq.read_table(tmp_path / "spark.parquet").equals(pq.read_table(tmp_path / "one.parquet"))
    same_report(one, tmp_path / "spark.parquet.report.json")
