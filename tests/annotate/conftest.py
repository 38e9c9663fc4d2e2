"""The real annotator on the real slice of Ensembl's cache, and a stand-in that anybody can run."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from genomicslearning import InputError
from genomicslearning.annotate import programs

# Answers like vepyr: chromosomes in an order of its own, INFO dropped, one block a site, nothing for position 13.
STAND_IN = """#!{python}
import sys
if "--version" in sys.argv:
    print("vepyr 0.10.0"); sys.exit()
if "build-cache" in sys.argv:
    sys.exit("vepyr: error: no cache to build")
at = lambda name: sys.argv[sys.argv.index(name) + 1]
fields = at("--fields").split(",")
out = open(at("-o"), "w")
out.write('##INFO=<ID=CSQ,Number=.,Type=String,Description="c. Format: ' + "|".join(fields) + '">\\n')
out.write("#CHROM\\tPOS\\tID\\tREF\\tALT\\tQUAL\\tFILTER\\tINFO\\n")
sites = [line.rstrip("\\n").split("\\t") for line in open(at("-i")) if line[0] != "#"]
for site in sorted(sites, key=lambda site: site[0], reverse=True):
    csq = ["" for _ in fields]
    csq[fields.index("Allele")], csq[fields.index("Consequence")] = site[4], "missense_variant"
    csq[fields.index("SYMBOL")] = site[0] + ":" + site[1]
    site[7] = "." if site[1] == "13" else "CSQ=" + "|".join(csq)
    out.write("\\t".join(site) + "\\n")
"""


@pytest.fixture
def stand_in(tmp_path) -> Path:
    """A program that answers as vepyr does."""
    path = tmp_path / "bin" / "vepyr"
    path.parent.mkdir()
    path.write_text(STAND_IN.format(python=sys.executable))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def fasta(tmp_path) -> Path:
    """Two chromosomes of a reference that says nothing (N)."""
    path = tmp_path / "reference.fa"
    path.write_text("".join(f">{name}\n" + ("N" * 60 + "\n") * 5 for name in ("1", "2")))
    return path


@pytest.fixture
def converted_cache(tmp_path) -> Path:
    """A folder as vepyr converts one to, of chromosomes 1 and 2, without transcripts."""
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path / "115_GRCh38_ensembl"
    (folder / "transcript").mkdir(parents=True)
    pq.write_table(pa.table({"assembly": ["GRCh38"], "cache_version": ["115"]}), folder / "transcript" / "chr1.parquet")
    entries = [{"chrom": f"chr{name}", "dataset": "chr1.parquet", "rows": 1} for name in (1, 2)]
    (folder / "transcript" / "chrom_manifest.json").write_text(json.dumps(entries))
    return folder


@pytest.fixture(scope="session")
def annotator() -> programs.Program:
    """vepyr, as `make test` sets it up."""
    try:
        return programs.find()
    except InputError as problem:
        pytest.skip(str(problem))


@pytest.fixture(scope="session")
def slice_cache(shared_data) -> Path:
    """A slice of Ensembl's own VEP 115 cache, 22:16,000,001-17,000,000, GRCh38."""
    return shared_data / "vep_cache" / "115_GRCh38"


@pytest.fixture(scope="session")
def users_cache(tmp_path_factory):
    """The user's cache folder, where a cache beside which nothing can be written is converted; one for all tests."""
    folder = tmp_path_factory.mktemp("users-cache")
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(folder))
    yield folder
    patch.undo()


@pytest.fixture(scope="session")
def masked_fasta(shared_data):
    """A function that writes a FASTA of chromosome 22 that is N but where a VCF's records are."""
    tool = shared_data.parent / "tools" / "masked_fasta.py"
    if not tool.is_file():
        pytest.skip(f"{tool} not found; it makes the reference of the cache slice")

    def write(vcf: Path) -> Path:
        target = vcf.with_suffix(".fa")
        subprocess.run([sys.executable, tool, vcf, target], check=True)
        return target

    return write
