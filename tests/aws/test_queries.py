"""The three named queries of the Athena workgroup, run by DuckDB on the parquet that the jobs write."""

from __future__ import annotations

import importlib.util

import duckdb
import pytest
from places import ROOT
from situations import SITUATIONS, Stack

from genomicslearning.clinvar import LABELS
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import read_table


@pytest.fixture(scope="module")
def queries() -> dict[str, str]:
    resources = Stack("code", SITUATIONS[0]).resources.values()
    found = [one["Properties"] for one in resources if one["Type"] == "AWS::Athena::NamedQuery"]
    assert {one["WorkGroup"] for one in found} == {"genomicslearning"} == {one["Database"] for one in found}
    return {one["Name"]: one["QueryString"] for one in found}


@pytest.fixture(scope="module")
def lake(tmp_path_factory, demo_pair):
    """A database with the catalog's two tables over parquet: the training set, and two years of releases."""
    folder = tmp_path_factory.mktemp("lake")
    clinvar, annotated = demo_pair
    build_training_set(clinvar=clinvar, annotated=annotated, out=folder / "table.parquet")
    script = ROOT / "glue/vcf_to_parquet.py"
    spec = importlib.util.spec_from_file_location("vcf_to_parquet_script", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    from genomicslearning.spark import job

    session = job.spark_session("queries")
    later = folder / "later.vcf"
    import gzip

    text = gzip.decompress(clinvar.read_bytes()).decode()
    date = next(line for line in text.splitlines() if line.startswith("##fileDate="))
    text = text.replace(date, "##fileDate=2026-02-26")
    text = text.replace("conflicting_interpretations", "conflicting_classifications")
    later.write_text(text)
    for source in (clinvar, later):
        module.convert(session, str(source), f"{folder}/vcf/year={{year}}")
    session.stop()
    database = duckdb.connect()
    database.execute(f"create view clinvar_conflicting as from '{folder}/table.parquet'")
    database.execute(
        f"create view clinvar_vcf as from read_parquet('{folder}/vcf/*/*.parquet', hive_partitioning = true)"
    )
    return (
        database,
        read_table(folder / "table.parquet"),
        sorted(path.name for path in (folder / "vcf").iterdir() if path.is_dir()),
    )


def test_conflicts_by_gene(queries, lake):
    database, table, _ = lake
    answer = database.sql(queries["conflicts-by-gene"]).df()
    gene = table["SYMBOL"].fillna(table["GENEINFO"].str.partition(":")[0])
    expected = table.assign(gene=gene).groupby("gene")["CLASS"].agg(["size", "sum"])
    assert len(answer) == len(expected) > 10
    found = answer.set_index("gene")
    assert (found["variants"] == expected["size"].reindex(found.index)).all()
    assert (found["conflicting"] == expected["sum"].reindex(found.index)).all()
    assert answer["conflicting"].is_monotonic_decreasing
    assert ((100 * found["conflicting"] / found["variants"]).round(1) - found["percent"]).abs().max() < 0.11


def test_conflicts_by_kind(queries, lake):
    database, table, _ = lake
    answer = database.sql(queries["conflicts-by-kind"]).df()
    expected = table.loc[table["CLASS"] == 1, "CONFLICT"].value_counts()
    assert dict(zip(answer["kind"], answer["variants"], strict=True)) == expected.to_dict()
    assert answer["variants"].sum() == table["CLASS"].sum() > 0


def test_conflicts_by_year(queries, lake):
    """Both eras' words: the later release is the earlier one in the words of 2024."""
    database, table, folders = lake
    answer = database.sql(queries["conflicts-by-year"]).df()
    assert [f"year={year}" for year in answer["year"]] == folders and len(folders) == 2
    assert set(answer["variants"]) == {len(table)} and set(answer["conflicting"]) == {int(table["CLASS"].sum())}


def test_the_labels_in_the_sql_are_the_projects_own(queries):
    sql = queries["conflicts-by-year"]
    assert {status for status in LABELS if f"'{status}'" in sql} == set(LABELS)


def test_no_query_reads_beyond_the_limit_of_the_workgroup():
    group = next(one["Properties"] for one in Stack("code", SITUATIONS[0]).resources.values()
                 if one["Type"] == "AWS::Athena::WorkGroup")  # fmt: skip
    settings = group["WorkGroupConfiguration"]
    assert settings["EnforceWorkGroupConfiguration"] is True
    assert 10_000_000 <= settings["BytesScannedCutoffPerQuery"] <= 10_000_000_000
    assert settings["ResultConfiguration"]["OutputLocation"].endswith("/athena/")


def test_a_vcf_without_a_date_is_refused(tmp_path):
    from genomicslearning import InputError

    spec = importlib.util.spec_from_file_location("vcf_script", ROOT / "glue/vcf_to_parquet.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path = tmp_path / "undated.vcf"
    path.write_text("##fileformat=VCFv4.1\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n1\t1\t.\tA\tC\t.\t.\t.\n")
    with pytest.raises(InputError, match="no fileDate to take the year from"):
        module.convert(None, str(path), str(tmp_path / "year={year}"))
