r"""Glue job: ClinVar and VEP to the training set, one CSV object and a parquet folder.

    spark-submit --master 'local[*]' create_training_set.py \
        --clinvar clinvar.vcf.gz --annotated annotated.vcf.gz --out table.csv

On AWS Glue 5 the inputs and the output may be named as in the archived solution: --input_bucket, --clinvar_input_key,
--clinvar_annotated_input_key, --output_bucket, --output_key.
"""

import sys

from genomicslearning import InputError
from genomicslearning.spark import job
from genomicslearning.spark.training_set import build_on_spark

ARGUMENTS = (
    "clinvar", "annotated", "out", "pick", "csq_key",
    "input_bucket", "clinvar_input_key", "clinvar_annotated_input_key", "output_bucket", "output_key",
)  # fmt: skip


def build(given: dict[str, str], progress) -> dict:
    out = job.address(given, "output_bucket", "output_key", "out")
    if not out:
        raise InputError("no output: give --out, or --output_bucket and --output_key")
    return build_on_spark(
        job.spark_session("create_training_set"),
        clinvar=job.address(given, "input_bucket", "clinvar_input_key", "clinvar"),
        annotated=job.address(given, "input_bucket", "clinvar_annotated_input_key", "annotated"),
        out=out,
        pick=given.get("pick", "mane"),
        csq_key=given.get("csq_key"),
        progress=progress,
    )


def main(argv: list[str]) -> int:
    return job.run_job("create_training_set", ARGUMENTS, build, argv)


if __name__ == "__main__":
    job.end(main(sys.argv))
