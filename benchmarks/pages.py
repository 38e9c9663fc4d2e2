"""What axe-core finds on pages, wide and narrow, light and dark, and whether a page is wider than window or sheet.

    python benchmarks/pages.py PAGE.html [PAGE.html …] [--page docs/first_hour.md]

PAGE may be a folder: then every page in it. Needs Debian's chromium and chromium-driver. With --page the table
replaces the page's section *Pages*.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path

from jupyterlab import chromium
from new_user import replace_section

WIDTHS = (1400, 390)
SHEET = 710  # px of a sheet of A4 within its margins
IMPACTS = ("critical", "serious", "moderate", "minor")
RIGHTMOST = "Math.max(0, ...[...document.querySelectorAll('td, th')].map(cell => cell.getBoundingClientRect().right))"


def findings(browser, script: str) -> Counter:
    """Findings of axe-core on the open page by impact; an element that breaks a rule counts once."""
    # By the debugger, which a page's content policy does not bind.
    browser.execute_cdp_cmd("Runtime.evaluate", {"expression": script})
    asked = "axe.run({resultTypes: ['violations']}).then(found => JSON.stringify(found.violations))"
    wanted = {"expression": asked, "awaitPromise": True, "returnByValue": True}
    found = json.loads(browser.execute_cdp_cmd("Runtime.evaluate", wanted)["result"]["value"])
    counted: Counter = Counter()
    for one in found:
        counted[one["impact"]] += len(one["nodes"])
    return counted


def lay_out(browser, width: int, *, media: str = "screen", scheme: str = "light") -> None:
    """A window of this width, or a sheet of it."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
    metrics = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def row(browser, script: str, page: Path) -> str:
    """A line of the table: findings at each width and scheme together, and what is too wide."""
    counted: Counter = Counter()
    too_wide = []
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            lay_out(browser, width, scheme=scheme)
            browser.get(page.resolve().as_uri())
            counted |= findings(browser, script)  # the most of any of the four
            if browser.execute_script("return document.documentElement.scrollWidth") > width:
                too_wide.append(f"{width} px")
    lay_out(browser, SHEET, media="print")
    if browser.execute_script(f"return {RIGHTMOST}") > SHEET:
        too_wide.append("print")
    figures = " | ".join(str(counted[impact]) for impact in IMPACTS)
    return f"| {page.parent.name}/{page.name} | {figures} | {', '.join(dict.fromkeys(too_wide)) or 'no'} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path, nargs="+", metavar="PAGE")
    parser.add_argument("--page", type=Path, help="page whose section is replaced")
    given = parser.parse_args()
    pages = [page for path in given.pages for page in (sorted(path.glob("*.html")) if path.is_dir() else [path])]
    import axe_selenium_python

    script = next(Path(axe_selenium_python.__file__).parent.rglob("axe.min.js")).read_text(encoding="utf-8")
    lines = [f"| page | {' | '.join(IMPACTS)} | too wide |", "|---|" + "---:|" * len(IMPACTS) + "---|"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, chromium(Path(profile)) as browser:
        for page in pages:
            lines.append(row(browser, script, page))
            print(lines[-1], flush=True)
    if given.page:
        replace_section(given.page, "Pages", "\n".join(lines))


if __name__ == "__main__":
    main()
