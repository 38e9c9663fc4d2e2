"""A real browser for the tests of pages: Debian's Chromium and its driver, where they are installed."""

from __future__ import annotations

import http.server
import json
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

WIDE, NARROW = (1400, 1000), (390, 844)
# Text that would act if it were markup; {} is the address of a listening server.
HOSTILE = (
    '<meta http-equiv="refresh" content="0; url={0}/refresh">',
    '<script>document.title="owned";fetch("{0}/script")</script>',
    '<img src="{0}/img" onerror="document.title=\'owned\'">',
    '<iframe src="{0}/frame"></iframe><object data="{0}/object"></object><embed src="{0}/embed">',
    '<svg onload="document.title=\'owned\'"><a href="javascript:1"><text>x</text></a></svg>',
    '<form id="f" action="{0}/form"><button autofocus onfocus="f.submit()">go</button></form>',
    '<base href="{0}/"><link rel="stylesheet" href="{0}/css"><style>@import "{0}/import"; p {{ color: red }}</style>',
    '</title></style></script></textarea><script>document.title="owned"</script>',
    '<p style="background: url({0}/background); position: fixed">x</p>',
    "[link](javascript:document.title='owned') ![picture]({0}/markdown.png)",
    "`code` <b>bold</b> | cell | ${{x}}$ \\\\[x\\\\] {{{{ 7 * 7 }}}} {{% raw %}}",
)


@contextmanager
def chromium() -> Iterator:
    """A headless Chromium of its own, with a profile that is thrown away."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver):
        pytest.skip("no Chromium here: install Debian's chromium and chromium-driver to test pages in a real browser")
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = program
        for switch in (
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
            f"--user-data-dir={profile}",
        ):  # fmt: skip
            options.add_argument(switch)
        started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            yield started
        finally:
            started.quit()


@contextmanager
def listener() -> Iterator[tuple[str, list[str]]]:
    """A server on this machine: its address, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def open_at(browser, page: Path, size: tuple[int, int], *, dark: bool = False) -> None:
    """Open a page from disk in a window of this size."""
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen", "features": [scheme]})
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(page.resolve().as_uri())


def print_at_a4(browser) -> None:
    """Lay the open page out as it is printed: print's rules, and the width of a sheet of A4 within its margins."""
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": []})
    sheet = {"width": 710, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", sheet)


def serious_findings(browser) -> list[str]:
    """What axe-core finds on the open page that is serious or critical: rule and the first element."""
    axe = pytest.importorskip("axe_selenium_python", reason="axe-selenium-python is not installed")
    script = next(Path(axe.__file__).parent.rglob("axe.min.js")).read_text(encoding="utf-8")
    # By the debugger, which a page's content policy does not bind.
    browser.execute_cdp_cmd("Runtime.evaluate", {"expression": script})
    answer = browser.execute_cdp_cmd(
        "Runtime.evaluate",
        {
            # What passes is not told of element by element, which takes most of the time.
            "expression": "axe.run({resultTypes: ['violations']}).then(found => JSON.stringify(found.violations))",
            "awaitPromise": True,
            "returnByValue": True,
        },
    )
    violations = json.loads(answer["result"]["value"])
    return [
        f"{one['id']} ({len(one['nodes'])}): {one['nodes'][0]['html'][:200]}"
        for one in violations
        if one["impact"] in ("serious", "critical")
    ]


def shows_text_alone(browser, page: Path) -> None:
    """Open a page of `HOSTILE` text: it stays, no script of the text runs, nothing in it could act, and it is shown."""
    open_at(browser, page, WIDE)
    # Longer than a refresh of no delay takes to leave the page.
    browser.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => setTimeout(done, 50))")
    assert browser.current_url == page.resolve().as_uri(), page.name
    assert "owned" not in browser.title.split("<")[0], page.name
    elements = "meta[http-equiv=refresh], iframe, object, embed, form, base, link, [onerror], [onload], [onfocus]"
    assert browser.execute_script(f"return document.querySelectorAll('{elements}').length") == 0, page.name
    sources = "[...document.querySelectorAll('[src]')].map(e => e.src).filter(s => !s.startsWith('data:image/'))"
    assert browser.execute_script(f"return {sources}") == []
    links = "[...document.links].map(e => e.protocol).filter(p => !['file:', 'http:', 'https:'].includes(p))"
    assert browser.execute_script(f"return {links}") == []
    assert "document.title=" in browser.execute_script("return document.body.textContent"), "shown as text"
