"""Make genomicslearning/features/gene_fields.json: fields of medicine that a release's records of each gene speak of.

Run:  python benchmarks/gene_fields.py --data ../shared/data [--out FILE]

Read are gene symbols and names of conditions, of the release of 2016-05-20, which is older than every label that a
model is judged by; records that several laboratories had submitted by then are left out, since they have labels already
and name more conditions for it. No classification and no variant is in the table.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from genomicslearning.features import gene_fields
from genomicslearning.history.releases import read_release

DAY = "2016-05-20"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path(gene_fields.__file__).with_name("gene_fields.json"))
    given = parser.parse_args()
    release = read_release(given.data / "clinvar_tsv" / f"clinvar_{DAY}_b37.tsv.gz", assembly="GRCh37")
    shares = gene_fields.shares(release.variants)
    facts = {
        "what": "share, in percent, of a gene's records whose conditions speak of each field of medicine",
        "made_by": "benchmarks/gene_fields.py",
        "source": f"ClinVar {DAY}, records that several laboratories had not classified by then",
        "fields": list(shares.columns),
    }
    percents = (100 * shares).round().astype(int)
    rows = [f"{json.dumps(gene)}: {json.dumps(row.tolist())}" for gene, row in percents.iterrows()]
    head = json.dumps(facts, indent=1).removesuffix("\n}")
    given.out.write_text(head + ',\n "genes": {\n  ' + ",\n  ".join(rows) + "\n }\n}\n", encoding="utf-8")
    print(f"{given.out}: {len(rows):,} genes, {given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
