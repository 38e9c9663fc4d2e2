"""Glue job: VCF to a folder of parquet files.

    spark-submit --master 'local[*]' vcf_to_parquet.py --input in.vcf.gz --output out.parquet

On AWS Glue 5 the input and the output may be named as in the archived solution: --input_bucket, --input_key,
--output_bucket, --output_key. `--text true` keeps every cell as text.
"""

import sys

from genomicslearning import spark, spark_parquet


def main(argv: list[str]) -> int:
    return spark.run_conversion("vcf_to_parquet", spark_parquet.vcf_to_parquet, argv)


if __name__ == "__main__":
    spark.end(main(sys.argv))
