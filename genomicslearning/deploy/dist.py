"""The setup stack's files for those who distribute the solution: `make dist` builds them, `make publish` uploads them.

Global assets (bucket DIST_BUCKET): the templates, to launch from. Regional assets (bucket DIST_BUCKET-REGION): the
function and the source that the setup stack reads in its own region.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from genomicslearning import InputError, share
from genomicslearning.aws.account import signed_in_session
from genomicslearning.deploy import bill_of_materials, codecommit
from genomicslearning.deploy.build import Build, zip_bytes
from genomicslearning.io.text import json_text

SOLUTION = "genomicslearning"
GLOBAL, REGIONAL = "global-s3-assets", "regional-s3-assets"


def build(root: Path, out: Path, *, bucket: str, version: str) -> list[Path]:
    """Write all assets and a bill of materials below `out`; return their paths.

    Raises
    ------
    InputError
        The bucket or the version cannot be names, or the checkout has changes that are in no commit.
    """
    _check(bucket, version)
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "status", "--porcelain"]
        if subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip():
            raise InputError("the checkout has changes that are in no commit; commit or remove them")
    made = Build(root)
    setup = made.template("setup").replace("Default: dist-bucket", f"Default: {bucket}")
    setup = setup.replace(f"Default: {SOLUTION}/VERSION", f"Default: {SOLUTION}/{version}")
    files = {f"{GLOBAL}/{SOLUTION}.template": setup.encode()}
    files |= {f"{GLOBAL}/{name}.template": made.template(name).encode() for name in ("zone", "pipe", "code")}
    function = made.text("cloudformation/setup_function.py").encode()
    files[f"{REGIONAL}/setup_function.zip"] = zip_bytes({"setup_function.py": function})
    files[f"{REGIONAL}/source.zip"] = zip_bytes(codecommit.source_files(root))
    files[f"{REGIONAL}/{made.wheel_name}"] = made.wheel
    lock = (root / "requirements" / "base.txt").read_text(encoding="utf-8")
    files[f"{GLOBAL}/{SOLUTION}.cdx.json"] = json_text(bill_of_materials.bill(lock)).encode()
    for name, content in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return [out / name for name in files]


def publish(session, out: Path, *, bucket: str, version: str, regions: list[str]) -> list[str]:
    """Upload what `build` wrote; the buckets must exist. Returns the addresses."""
    _check(bucket, version)
    if not (out / GLOBAL).is_dir():
        raise InputError(f"{out}: nothing built there; run make dist first")
    addresses = []
    places = [(GLOBAL, bucket, session.region_name)]
    places += [(REGIONAL, f"{bucket}-{region}", region) for region in regions]
    for folder, place, region in places:
        s3 = session.client("s3", region_name=region)
        for path in sorted((out / folder).iterdir()):
            s3.upload_file(str(path), place, f"{SOLUTION}/{version}/{path.name}")
            addresses.append(f"s3://{place}/{SOLUTION}/{version}/{path.name}")
    return addresses


def _check(bucket: str, version: str) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,40}", bucket):
        raise InputError(f"DIST_BUCKET={bucket}: give a bucket's name, at most 41 characters (the region is added)")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", version):
        raise InputError(f"VERSION={version}: give a version such as 1.0.0")


def main(argv: list[str]) -> None:
    """Build or publish, as `make dist` and `make publish` ask."""
    parser = argparse.ArgumentParser(prog="python -m genomicslearning.deploy.dist", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("build", "publish"))
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--regions", default="")
    parser.add_argument("--out", type=Path, default=Path("dist"))
    given = parser.parse_args(argv)
    try:
        if given.what == "build":
            made = list(map(str, build(share(), given.out, bucket=given.bucket, version=given.version)))
        else:
            session = signed_in_session()
            regions = given.regions.split() or [session.region_name]
            made = publish(session, given.out, bucket=given.bucket, version=given.version, regions=regions)
    except InputError as problem:
        print(f"genomicslearning: {problem}", file=sys.stderr)
        sys.exit(2)
    print("\n".join(made))


if __name__ == "__main__":
    main(sys.argv[1:])
