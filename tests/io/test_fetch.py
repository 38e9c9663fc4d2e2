"""Downloads from a local server that breaks off, lies, redirects and has nothing."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from places import data_folder

from genomicslearning import InputError
from genomicslearning.io import fetch


class _Server(BaseHTTPRequestHandler):
    """Serves `files`; `faults` name what happens at the next requests of a path."""

    files: dict[str, bytes] = {}
    faults: dict[str, list[str]] = {}
    log: list[tuple[str, str | None]] = []

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.log.append((self.path, wanted))
        fault = self.faults.get(self.path, []).pop(0) if self.faults.get(self.path) else ""
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.end_headers()
            return
        body = self.files.get(self.path)
        if body is None or fault == "503":
            self.send_error(404 if body is None else 503)
            return
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        start = 0
        if wanted and self.headers.get("If-Range") == etag:
            start = int(re.match(r"bytes=(\d+)-", wanted)[1])
        if start and start >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        end = start + (len(body) - start) // 2 if fault == "break" else len(body)
        sent = body[start:end]
        self.wfile.write(bytes(len(sent)) if fault == "garbage" else sent)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    _Server.files, _Server.faults, _Server.log = {}, {}, []
    found = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{found.server_port}"
    found.shutdown()
    found.server_close()


@pytest.fixture
def release(demo_pair) -> bytes:
    real = data_folder() / "clinvar_2026" / "clinvar_20260226_GRCh38_excerpt.vcf.gz"
    return (real if real.is_file() else demo_pair[0]).read_bytes()


def offer(path: str, body: bytes, checksum: str | None = None) -> None:
    _Server.files[path] = body
    _Server.files[f"{path}.md5"] = f"{checksum or hashlib.md5(body).hexdigest()}  {path}\n".encode()


ARCHIVED = "/vcf_GRCh38/archive_2.0/2026/clinvar_20260226.vcf.gz"


def get(server, folder, **more):
    return fetch.fetch_clinvar(folder, release="20260226", base=server, pause=0, **more)


def test_release_from_the_archive_after_breaks(server, release, tmp_path):
    offer(ARCHIVED, release)
    _Server.faults[ARCHIVED] = ["503", "break", "break"]
    report = get(server, tmp_path)
    target = tmp_path / fetch.CLINVAR_KEY
    assert target.read_bytes() == release
    assert report["sha256"] == hashlib.sha256(release).hexdigest()
    assert json.loads((target.parent / "clinvar.vcf.gz.report.json").read_text()) == report
    asked = [wanted for path, wanted in _Server.log if path == ARCHIVED]
    half, three_quarters = len(release) // 2, len(release) // 2 + (len(release) - len(release) // 2) // 2
    assert asked == [None, None, f"bytes={half}-", f"bytes={three_quarters}-"]
    assert sorted(path.name for path in target.parent.iterdir()) == ["clinvar.vcf.gz", "clinvar.vcf.gz.report.json"]


def test_interrupted_run_is_continued(server, release, tmp_path, monkeypatch):
    offer("/vcf_GRCh38/clinvar.vcf.gz", release)
    _Server.faults["/vcf_GRCh38/clinvar.vcf.gz"] = ["break"] * 5
    with pytest.raises(InputError, match="not fetched in 5 attempts"):
        fetch.fetch_clinvar(tmp_path, base=server, pause=0)
    assert not (tmp_path / fetch.CLINVAR_KEY).exists()
    _Server.log.clear()
    fetch.fetch_clinvar(tmp_path, base=server, pause=0)
    assert (tmp_path / fetch.CLINVAR_KEY).read_bytes() == release
    assert _Server.log[-1][1] is not None


def test_redirect(server, release, tmp_path):
    offer(ARCHIVED, release)
    get(f"{server}/moved", tmp_path)
    assert (tmp_path / fetch.CLINVAR_KEY).read_bytes() == release


def test_wrong_checksum_keeps_the_earlier_file(server, release, tmp_path):
    target = tmp_path / fetch.CLINVAR_KEY
    target.parent.mkdir(parents=True)
    target.write_text("earlier")
    offer(ARCHIVED, release, checksum="0" * 32)
    with pytest.raises(InputError, match="md5 is .* should be 0000"):
        get(server, tmp_path)
    assert target.read_text() == "earlier"
    assert list(target.parent.iterdir()) == [target]
    offer(ARCHIVED, release)
    _Server.faults[ARCHIVED] = ["garbage"]  # damaged once: fetched again
    get(server, tmp_path)
    assert target.read_bytes() == release


def test_a_checksum_in_capitals_is_the_same(server, release, tmp_path):
    offer(ARCHIVED, release, checksum=hashlib.md5(release).hexdigest().upper())
    assert get(server, tmp_path)["md5"] == hashlib.md5(release).hexdigest()


def test_no_such_release(server, tmp_path):
    with pytest.raises(InputError, match="ClinVar 20260226 for GRCh38 is not at"):
        get(server, tmp_path)
    assert [path for path, _ in _Server.log] == [
        f"/vcf_GRCh38/{folder}clinvar_20260226.vcf.gz.md5" for folder in ("", "weekly/", "archive_2.0/2026/")
    ]
    for wrong in ({"release": "2026-02-26"}, {"assembly": "hg19"}):
        with pytest.raises(InputError):
            fetch.fetch_clinvar(tmp_path, base=server, **wrong)


def test_table(server, tmp_path):
    body = b"CHROM,POS\n1,2\n"
    _Server.files["/t.csv"] = body
    report = fetch.fetch_table(tmp_path, url=f"{server}/t.csv", sha256=hashlib.sha256(body).hexdigest(), pause=0)
    assert (tmp_path / fetch.TABLE_KEY).read_bytes() == body
    assert report["bytes"] == len(body)
    with pytest.raises(InputError, match="sha256 is"):
        fetch.fetch_table(tmp_path, url=f"{server}/t.csv", pause=0)
    with pytest.raises(InputError, match="404"):
        fetch.fetch_table(tmp_path, url=f"{server}/none.csv", pause=0)


def test_no_network(tmp_path):
    with pytest.raises(InputError, match="check the network") as caught:
        fetch.fetch_clinvar(tmp_path, base="http://127.0.0.1:9", pause=0)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
