"""Glue job: TSV to a folder of parquet files.

    spark-submit --master 'local[*]' tsv_to_parquet.py --input in.tsv.gz --output out.parquet

On AWS Glue 5 the input and the output may be named as in the archived solution: --input_bucket, --input_key,
--output_bucket, --output_key. `--text true` keeps every cell as text.
"""

import sys

from genomicslearning import InputError, accounting, spark, spark_parquet

ARGUMENTS = ("input", "output", "text", "input_bucket", "input_key", "output_bucket", "output_key")


def main(argv: list[str]) -> int:
    try:
        given = spark.arguments(ARGUMENTS, argv)
        source = spark.address(given, "input_bucket", "input_key", "input")
        out = spark.address(given, "output_bucket", "output_key", "output")
        if not source or not out:
            raise InputError("give --input and --output, or their buckets and keys")
        report = spark_parquet.tsv_to_parquet(
            spark.session("tsv_to_parquet"),
            source,
            out,
            text=given.get("text", "").lower() == "true",
            progress=lambda text: print(text, file=sys.stderr),
        )
    except InputError as problem:
        print(f"tsv_to_parquet: {problem}", file=sys.stderr)
        return 2
    print(accounting.summary(report))
    return 0


if __name__ == "__main__":
    if code := main(sys.argv):
        sys.exit(code)
