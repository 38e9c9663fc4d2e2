"""Make docs/example/ and docs/images/report.png from a run on the embedded sample: python docs/build_example.py RUN

The pages are the run's own with smaller pictures (64 colours) and without the links to what is not copied. The picture
is taken in Chromium, where there is one.
"""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
PAGES = ("index.html", "evaluation.html")
_PICTURE = re.compile(r"(?<=data:image/png;base64,)[A-Za-z0-9+/=]+")
_LINK = re.compile(r'<a ([^>]*?)href="(?!#|https?:)([^"]*)"([^>]*)>(.*?)</a>', re.DOTALL)


def smaller(png: re.Match) -> str:
    """A chart with few colours, as it has them anyway."""
    with Image.open(io.BytesIO(base64.b64decode(png[0]))) as picture:
        picture = picture.convert("RGB").quantize(64)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def standing_alone(page: str) -> str:
    """The page without links to files that are not copied."""
    return _LINK.sub(lambda link: link[0] if link[2].split("#")[0] in PAGES else link[4], page)


def main(run: Path) -> None:
    if not json.loads((run / "run.json").read_text())["synthetic"]:
        sys.exit(f"{run}: not a run on the embedded sample; real data does not go into the documentation")
    (HERE / "example").mkdir(exist_ok=True)
    for name in PAGES:
        page = _PICTURE.sub(smaller, (run / name).read_text(encoding="utf-8"))
        (HERE / "example" / name).write_text(standing_alone(page), encoding="utf-8")
    if program := shutil.which("chromium"):
        picture = HERE / "images" / "report.png"
        with tempfile.TemporaryDirectory() as profile:
            switches = [f"--user-data-dir={profile}", "--window-size=1400,1150", f"--screenshot={picture}"]
            quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
            page = (HERE / "example" / "index.html").as_uri()
            subprocess.run([program, *quiet, *switches, page], check=True, capture_output=True)
        with Image.open(picture) as taken:
            taken.convert("RGB").crop((0, 0, taken.width, 890)).quantize(128).save(picture, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
