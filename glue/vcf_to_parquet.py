"""Glue job: VCF to a folder of parquet files.

    spark-submit --master 'local[*]' vcf_to_parquet.py --input in.vcf.gz --output out.parquet

On AWS Glue 5 the input and the output may be named as in the archived solution: --input_bucket, --input_key,
--output_bucket, --output_key. `--text true` keeps every cell as text, `--csq_key` names the INFO key of
VEP's annotation where it is not CSQ, `--crawler NAME` has that crawler look at what came out.
In the output, `{year}` is the year of the VCF's fileDate, so that the releases of several years lie side by side.
"""

import sys

from genomicslearning import InputError
from genomicslearning.aws.glue import start_crawler, taken
from genomicslearning.io.vcf import Vcf
from genomicslearning.spark import job
from genomicslearning.spark.parquet import vcf_to_parquet


def convert(session, source: str, out: str, **settings) -> dict:
    if "{year}" in out:
        with Vcf(source) as vcf:
            date = vcf.meta("fileDate") or ""
        if not date[:4].isdecimal() or len(date) < 4:
            raise InputError(
                f"{source}: its header has no fileDate to take the year from; give an output without {{year}}"
            )
        out = out.replace("{year}", date[:4])
    return vcf_to_parquet(session, source, out, **settings)


def main(argv: list[str]) -> int:
    argv, crawler = taken(argv, "--crawler")
    code = job.run_conversion("vcf_to_parquet", convert, argv, options=("csq_key",))
    if crawler and not code:
        start_crawler(crawler)
    return code


if __name__ == "__main__":
    job.end(main(sys.argv))
