"""Small VCF files for tests."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

CSQ = "Allele|Consequence|IMPACT|SYMBOL|Gene|Feature|SIFT|PolyPhen|MANE_SELECT|CANONICAL|CADD_phred".split("|")
KEYS = (
    "AF_ESP AF_EXAC AF_TGP CLNDISDB CLNDN CLNHGVS CLNREVSTAT CLNSIG CLNSIGCONF CLNVC CLNVI GENEINFO MC ORIGIN".split()
)
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
AGREE = "CLNREVSTAT=criteria_provided,_multiple_submitters,_no_conflicts"
CONFLICT = "CLNREVSTAT=criteria_provided,_conflicting_classifications"


def header(csq: list[str] | None = None, *, key: str = "CSQ", extra: str = "") -> str:
    lines = ["##fileformat=VCFv4.1", "##fileDate=2026-02-26", "##reference=GRCh38", extra]
    lines += [f'##INFO=<ID={name},Number=.,Type=String,Description="x">' for name in KEYS]
    if csq:
        lines.append(f'##INFO=<ID={key},Number=.,Type=String,Description="VEP. Format: {"|".join(csq)}">')
    return "\n".join(line for line in lines if line) + "\n"


def write(path: Path, records: list[str | bytes], *, csq: list[str] | None = None, end: str = "\n", **more) -> Path:
    """Write a VCF of records (tabs written as spaces); gzip where the name says so."""
    text = (header(csq, **more) + COLUMNS + "\n").replace("\n", end).encode()
    for record in records:
        text += (record if isinstance(record, bytes) else record.replace(" ", "\t").encode()) + end.encode()
    path.write_bytes(gzip.compress(text) if path.name.endswith(".gz") else text)
    return path


def bgzip(source: Path, target: Path, block: int = 60_000) -> Path:
    """Compress as bgzip does: gzip members of at most 64 kB that name their length, and an empty one at the end."""
    text = gzip.decompress(source.read_bytes()) if source.name.endswith(".gz") else source.read_bytes()
    with target.open("wb") as file:
        for start in [*range(0, len(text), block), len(text)]:
            chunk = text[start : start + block]
            packer = zlib.compressobj(6, zlib.DEFLATED, -15)
            body = packer.compress(chunk) + packer.flush()
            file.write(b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0" + struct.pack("<H", len(body) + 25))
            file.write(body + struct.pack("<II", zlib.crc32(chunk), len(chunk)))
    return target


def total(report: dict) -> int:
    """What became of the records, added up: a report's `records_read`."""
    return report["records_written"] + sum(report["dropped"].values()) + report["quarantined"]
