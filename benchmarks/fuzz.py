"""Hostile inputs to every reader: each must be answered, or refused in one line that names the file.

    python benchmarks/fuzz.py [--seconds 600] [--out build/fuzz.json] [--reader table …] [--seed 1]

Inputs are made from small right ones by changing, leaving out, doubling and mixing bytes, inside of archives and
outside. Readers take turns of processor time. What breaks one (another exception, a traceback's many lines, more than
ten seconds of processor time) is kept in tests/corpus/<reader>/, which the tests replay.
"""

from __future__ import annotations

import argparse
import faulthandler
import gzip
import hashlib
import io
import json
import random
import re
import resource
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "tests" / "corpus"
SLOW_SECONDS = 10
OF_A_MODEL = ("model, tampered", "model, forged with checksums that fit", "VCF to score")
TOKENS = [
    b"\0", b"\r", b"\n", b"\t", b",", b";", b"|", b"=", b'"', b"'", b"%", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80",
    b"\x1b[2J", b"CHROM", b"POS", b"REF", b"ALT", b"CLASS", b"CSQ=", b"CLNREVSTAT=", b"##INFO=<ID=", b"#CHROM", b"nan",
    b"Format: ", b"NA", b"-1", b"1e999", b"99999999999999999999", b"0.10020", b"*", b"<DEL>", b".", b"\xd9\xa3", b"{",
    b"}", b"[" * 50, b"\\ud800", b"null", b"true", b"A" * 5000, b"1\t1\t.\tA\tG\t.\t.\t.\n",
]  # fmt: skip


@dataclass
class Reader:
    """Something that reads a file: seeds to change, and how it is called with a path of the file."""

    name: str
    seeds: list[bytes]
    read: Callable[[Path], object]
    suffix: str = ""
    counts: Counter = field(default_factory=Counter)
    seconds: float = 0.0


# --- inputs that are right -------------------------------------------------------------------------------------------

TABLE = b"""CHROM,POS,REF,ALT,CLASS,SYMBOL,Consequence,AF_EXAC,CLNDN
1,1000,A,G,0,BRCA1,missense_variant,0.10020,not_specified
X,2000,CT,C,1,,frameshift_variant,0,"a, b"
17,3000,G,"T",1,TTN,NA,,c%3Dd
"""
VCF = b"""##fileformat=VCFv4.1
##fileDate=2018-04-01
##reference=GRCh37
##INFO=<ID=CLNREVSTAT,Number=.,Type=String,Description="x">
##INFO=<ID=AF_EXAC,Number=1,Type=Float,Description="x">
##INFO=<ID=CSQ,Number=.,Type=String,Description="Annotations from Ensembl VEP. Format: Allele|Consequence|SYMBOL|PICK">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
1\t1000\t1\tA\tG\t.\t.\tAF_EXAC=0.1;CLNREVSTAT=criteria_provided,_multiple_submitters,_no_conflicts;CSQ=G|missense_variant|A|1
1\t2000\t2\tCT\tC\t.\t.\tCLNREVSTAT=criteria_provided,_conflicting_interpretations;CLNSIGCONF=Benign(1),Pathogenic(1);CSQ=-|x|B|
2\t3000\t3\tG\tT,<DEL>\t1\tPASS\tCLNREVSTAT=no_assertion_provided;FLAG
"""
VCFS = [VCF, gzip.compress(VCF)]
RELEASE = b"""chrom\tpos\tref\talt\tclinical_significance\treview_status\tsymbol\tdates_ordered
1\t1000\tA\tG\tBenign\tcriteria provided, multiple submitters, no conflicts\tBRCA1\t2014-01-01
X\t2000\tCT\tC\tPathogenic;Benign\tcriteria provided, conflicting interpretations\t\t
"""
RELEASES = [RELEASE, gzip.compress(RELEASE)]
TSV = b"#AlleleID\tType\tName\n1\tdeletion\tx\n22\tindel\ty\n3\t\t1.5\n"
ROWS = b"""{"instances": [{"CHROM": "1", "POS": 7, "REF": "A", "ALT": "G", "AF_EXAC": 0.1},
 {"CHROM": "X", "POS": "9", "REF": "C", "ALT": "T"}]}"""
RUN = b'{"id": "a", "status": "done", "steps": [{"name": "data_prep", "status": "done"}], "metrics": null}'


def zipped(text: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        archive.writestr("t.csv", text)
    return sink.getvalue()


def parquet() -> bytes:
    sink = io.BytesIO()
    pd.read_csv(io.BytesIO(TABLE), dtype=str).to_parquet(sink)
    return sink.getvalue()


def small_model(folder: Path) -> Path:
    """A model of LightGBM's and scikit-learn's trees on the embedded sample."""
    import optuna

    from genomicslearning import demo
    from genomicslearning.autopilot.candidates import DEFINITIONS, Evidence
    from genomicslearning.autopilot.manifest import FORMAT
    from genomicslearning.autopilot.model import Model
    from genomicslearning.training_set.build import build_training_set
    from genomicslearning.training_set.table import read_table

    clinvar, annotated = demo.write(folder / "demo")
    build_training_set(clinvar=str(clinvar), annotated=str(annotated), out=str(folder / "t.parquet"))
    rows = read_table(folder / "t.parquet").head(500)
    pipelines = {}
    for name in ("boosting", "extra_trees"):
        parameters = DEFINITIONS[name].first | {"n_estimators": 5}
        evidence = Evidence("biology", grouped=False, seed=0)
        made = DEFINITIONS[name].build(optuna.trial.FixedTrial(parameters), evidence, 0)
        pipelines[name] = made.fit(rows, rows["CLASS"].to_numpy())
    manifest = {"format": FORMAT, "features": "biology", "threshold": 0.5, "versions": {}}
    manifest |= {"members": {name: {"weight": 0.5} for name in pipelines}}
    manifest |= {"calibration": {"method": "beta", "low": 1.0, "high": 1.0, "intercept": 0.0}}
    return Model(pipelines, manifest).save(folder / "model")


def model_readers(folder: Path) -> list[Reader]:
    """Readers of a model's folder."""
    from genomicslearning.autopilot import integrity
    from genomicslearning.autopilot.model import MANIFEST, WEIGHTS, Model
    from genomicslearning.training_set.table import read_table

    model = small_model(folder)
    manifest, weights = (model / MANIFEST).read_bytes(), (model / WEIGHTS).read_bytes()
    forged = folder / "forged"
    forged.mkdir()

    def load(text: bytes, content: bytes) -> object:
        (forged / MANIFEST).write_bytes(text)
        (forged / WEIGHTS).write_bytes(content)
        return Model.load(forged)

    def tampered(path: Path) -> object:
        """A changed manifest or changed weights, checksums as they were: all must be refused."""
        content = path.read_bytes()
        if content in (manifest, weights):
            return None
        is_manifest = content.startswith(b"{") or b'"threshold"' in content
        load(content, weights) if is_manifest else load(manifest, content)
        raise AssertionError("a tampered model was loaded")

    def resealed(path: Path) -> object:
        """What a forger does: changed weights with checksums that fit."""
        content = path.read_bytes()
        loaded = load(integrity.sealed(json.loads(manifest), content).encode(), content)
        return loaded.predict(read_table(folder / "t.parquet").head(5))

    from genomicslearning.endpoint.vcf import predict_vcf

    return [
        Reader("model, tampered", [manifest, weights], tampered),
        Reader("model, forged with checksums that fit", [weights], resealed),
        Reader("VCF to score", VCFS, lambda path: predict_vcf(model, path, folder / "scored.csv"), ".vcf"),
    ]


def file_readers(folder: Path) -> list[Reader]:
    """Every reader of a file that others wrote."""
    from genomicslearning.endpoint import wire
    from genomicslearning.history.releases import read_release
    from genomicslearning.io import lake
    from genomicslearning.parquet.tsv import tsv_to_parquet
    from genomicslearning.parquet.vcf import vcf_to_parquet
    from genomicslearning.training_set import table_files
    from genomicslearning.training_set.build import build_training_set
    from genomicslearning.training_set.table import read_table

    out = folder / "out"
    texts = [TABLE, TABLE.replace(b",", b"\t"), TABLE.replace(b",", b";")]
    packed = [
        gzip.compress(TABLE),
        zipped(TABLE),
        zipped(TABLE, zipfile.ZIP_BZIP2),
        zipped(TABLE, zipfile.ZIP_LZMA),
        parquet(),
    ]
    tsvs = [TSV, gzip.compress(TSV)]
    lines = b"\n".join(json.dumps(row).encode() for row in json.loads(ROWS)["instances"])
    csv = "text/csv"
    return [
        Reader("table (text)", texts, lambda path: read_table(path)),
        Reader("table (gzip, zip, parquet)", packed, lambda path: read_table(path, labelled=False)),
        Reader("table (classes)", [*texts, *packed], lambda path: table_files.read_classes(path)),
        Reader("request (CSV)", [TABLE], lambda path: wire.read_rows(path.read_bytes(), csv)),
        Reader("request (JSON)", [ROWS], lambda path: wire.read_rows(path.read_bytes(), wire.JSON)),
        Reader("request (JSON lines)", [lines], lambda path: wire.read_rows(path.read_bytes(), wire.JSONLINES)),
        Reader("run.json and other JSON", [RUN], lambda path: lake.read_json(path, "record")),
        Reader("VCF to training set", VCFS, lambda path: build_training_set(annotated=path, out=f"{out}.csv"), ".vcf"),
        Reader("VCF to parquet", VCFS, lambda path: vcf_to_parquet(path, f"{out}.parquet"), ".vcf"),
        Reader("TSV to parquet", tsvs, lambda path: tsv_to_parquet(path, f"{out}.parquet"), ".tsv"),
        Reader("release (VCF)", VCFS, lambda path: read_release(path), ".vcf"),
        Reader("release (tab-delimited)", RELEASES, lambda path: read_release(path, assembly="GRCh37"), ".tsv"),
    ]  # fmt: skip


# --- changing them ---------------------------------------------------------------------------------------------------


def changed(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """A seed, changed; of an archive sometimes what is in it."""
    if content[:2] == b"\x1f\x8b" and draw.random() < 0.7:
        return gzip.compress(mutated(gzip.decompress(content), others, draw), 1)
    if content[:4] == b"PK\x03\x04" and draw.random() < 0.5:
        return rezipped(content, others, draw)
    return mutated(content, others, draw)


def rezipped(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """A zip whose entries, or one of many, are changed inside."""
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as target:
        names = source.namelist()
        chosen = draw.choice(names)
        for name in names:
            text = source.read(name)
            target.writestr(name, mutated(text, others, draw) if name == chosen else text)
    return sink.getvalue()


def mutated(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """Bytes with one to six changes."""
    text = bytearray(content)
    for _ in range(draw.randint(1, 6)):
        start = draw.randrange(len(text) + 1)
        end = min(len(text), start + draw.choice((1, 1, 2, 8, 60)))
        kind = draw.randrange(7)
        if kind == 0 and start < len(text):
            text[start] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del text[start:end]
        elif kind == 2:
            text[start:start] = draw.choice(TOKENS)
        elif kind == 3:
            text[start:end] = draw.choice(TOKENS)
        elif kind == 4:
            text[start:start] = text[start:end] * draw.choice((1, 2, 50))
        elif kind == 5:
            other = draw.choice(others)
            place = draw.randrange(len(other) + 1)
            text[start:end] = other[place : place + draw.choice((5, 100, len(other)))]
        elif kind == 6 and draw.random() < 0.2:
            del text[start:]
    return bytes(text)


# --- judging ---------------------------------------------------------------------------------------------------------


def outcome(reader: Reader, path: Path) -> tuple[str, str]:
    """`answered`, `refused`, or `broke` with what was wrong."""
    from genomicslearning import InputError

    started = time.process_time()  # not the clock: a busy machine may stall anybody
    try:
        reader.read(path)
        found = ("answered", "")
    except InputError as problem:
        said = str(problem)
        found = ("broke", f"several lines: {said[:200]!r}") if "\n" in said.strip() else ("refused", "")
    except Exception as problem:
        found = ("broke", f"{type(problem).__name__}: {str(problem)[:200]}")
    took = time.process_time() - started
    reader.seconds += took
    return found if took < SLOW_SECONDS else ("broke", f"took {took:.0f} s")


def folder_name(reader: Reader) -> str:
    """Where cases of a reader are kept below tests/corpus."""
    return re.sub(r"[^A-Za-z0-9.]+", "_", reader.name).strip("_")


def keep(reader: Reader, content: bytes) -> Path:
    """Put a case that broke a reader into the corpus."""
    folder = CORPUS / folder_name(reader)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(content).hexdigest()[:12]}{reader.suffix}"
    path.write_bytes(content)
    return path


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=600)
    options.add_argument("--out", type=Path, default=ROOT / "build" / "fuzz.json")
    options.add_argument("--reader", nargs="*", help="names of readers; all")
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    faulthandler.enable()
    warnings.simplefilter("ignore")
    draw = random.Random(chosen.seed)
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 (a fresh folder in it; disks are slow)
    with tempfile.TemporaryDirectory(dir=memory) as scratch:
        taken = [
            one
            for one in [*file_readers(Path(scratch)), *model_readers(Path(scratch))]
            if not chosen.reader or one.name in chosen.reader
        ]
        seeds = [seed for one in taken for seed in one.seeds if len(seed) < 10_000]
        report = fuzz(taken, seeds, draw, chosen.seconds, Path(scratch))
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))
    sys.exit(1 if any(entry["broke"] for entry in report["readers"]) else 0)


def fuzz(taken: list[Reader], seeds: list[bytes], draw: random.Random, seconds: float, scratch: Path) -> dict:
    """Readers take turns of half a second of processor time each, so that quick ones see more inputs."""
    end = time.monotonic() + seconds
    problems: Counter[str] = Counter()
    while time.monotonic() < end:
        for reader in taken:
            path = scratch / f"input{reader.suffix}"
            turn = time.process_time() + 0.5
            while time.process_time() < turn and time.monotonic() < end:
                content = changed(draw.choice(reader.seeds), seeds, draw)
                if content in reader.seeds:  # the changes undid each other
                    continue
                path.write_bytes(content)
                found, why = outcome(reader, path)
                reader.counts[found] += 1
                if found == "broke" and problems[f"{reader.name}: {why[:60]}"] < 2:
                    problems[f"{reader.name}: {why[:60]}"] += 1
                    print(f"{reader.name}: {why}: {keep(reader, content)}", file=sys.stderr, flush=True)
    return {
        "inputs": sum(sum(reader.counts.values()) for reader in taken),
        "cpu_seconds": round(time.process_time()),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "readers": [
            {"reader": reader.name, "inputs": sum(reader.counts.values()), "seconds": round(reader.seconds, 1)}
            | {kind: reader.counts[kind] for kind in ("answered", "refused", "broke")}
            for reader in taken
        ],
    }


if __name__ == "__main__":
    main()
