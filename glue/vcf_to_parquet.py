"""Glue job: VCF to a folder of parquet files.

    spark-submit --master 'local[*]' vcf_to_parquet.py --input in.vcf.gz --output out.parquet

On AWS Glue 5 the input and the output may be named as in the archived solution: --input_bucket, --input_key,
--output_bucket, --output_key. `--text true` keeps every cell as text, `--csq_key` names the INFO key of
VEP's annotation where it is not CSQ.
"""

import sys

from genomicslearning.spark import job
from genomicslearning.spark.parquet import vcf_to_parquet


def main(argv: list[str]) -> int:
    return job.run_conversion("vcf_to_parquet", vcf_to_parquet, argv, options=("csq_key",))


if __name__ == "__main__":
    job.end(main(sys.argv))
