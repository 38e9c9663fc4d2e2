"""Glue job: TSV to a folder of parquet files.

    spark-submit --master 'local[*]' tsv_to_parquet.py --input in.tsv.gz --output out.parquet

On AWS Glue 5 the input and the output may be named as in the archived solution: --input_bucket, --input_key,
--output_bucket, --output_key. `--text true` keeps every cell as text; `--crawler NAME` has that crawler look at what
came out.
"""

import sys

from genomicslearning.aws.glue import start_crawler, taken
from genomicslearning.spark import job
from genomicslearning.spark.parquet import tsv_to_parquet


def main(argv: list[str]) -> int:
    argv, crawler = taken(argv, "--crawler")
    code = job.run_conversion("tsv_to_parquet", tsv_to_parquet, argv)
    if crawler and not code:
        start_crawler(crawler)
    return code


if __name__ == "__main__":
    job.end(main(sys.argv))
