r"""Glue job: ClinVar and VEP to the training set, one CSV object and a parquet folder.

    spark-submit --master 'local[*]' create_training_set.py \
        --clinvar clinvar.vcf.gz --annotated annotated.vcf.gz --out table.csv

On AWS Glue 5 the inputs and the output may be named as in the archived solution: --input_bucket, --clinvar_input_key,
--clinvar_annotated_input_key, --output_bucket, --output_key.
"""

import sys

from genomicslearning import InputError, spark, spark_training_set

ARGUMENTS = (
    "clinvar", "annotated", "out", "pick", "csq_key",
    "input_bucket", "clinvar_input_key", "clinvar_annotated_input_key", "output_bucket", "output_key",
)  # fmt: skip


def build(given: dict[str, str], progress) -> dict:
    out = spark.address(given, "output_bucket", "output_key", "out")
    if not out:
        raise InputError("no output: give --out, or --output_bucket and --output_key")
    return spark_training_set.build(
        spark.session("create_training_set"),
        clinvar=spark.address(given, "input_bucket", "clinvar_input_key", "clinvar"),
        annotated=spark.address(given, "input_bucket", "clinvar_annotated_input_key", "annotated"),
        out=out,
        pick=given.get("pick", "mane"),
        csq_key=given.get("csq_key"),
        progress=progress,
    )


def main(argv: list[str]) -> int:
    return spark.run_job("create_training_set", ARGUMENTS, build, argv)


if __name__ == "__main__":
    spark.end(main(sys.argv))
