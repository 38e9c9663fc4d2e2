"""The server under clients that are stuck, leave, lie or have no right; its health, counts and log; its end."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import numpy as np
import pandas as pd
import pytest

from genomicslearning import InputError
from genomicslearning.endpoint import app, gate, server, wire

ROW = "CHROM,POS,REF,ALT\n1,7,A,G\n"


class Half:
    """A model that says 0.5."""

    threshold = 0.4
    manifest = {"features": "all", "weights_sha256": "ab" * 32}

    def predict(self, table: pd.DataFrame) -> np.ndarray:
        return np.full(len(table), 0.5)


@pytest.fixture
def short_times(monkeypatch):
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.3)
    monkeypatch.setattr(server, "WRITE_SECONDS", 0.3)
    monkeypatch.setattr(server, "KEEP_ALIVE_SECONDS", 1)
    monkeypatch.setattr(app, "BODY_SECONDS", 0.3)


@pytest.fixture
def start():
    """Start a server; gives its port."""
    running = []

    def begin(**options):
        listener = server.listen(0)
        made = server.server(app.create(Half(), **options))
        thread = threading.Thread(target=made.run, args=([listener],), daemon=True)
        thread.start()
        running.append((made, thread))
        return listener.getsockname()[1]

    yield begin
    for made, thread in running:
        made.should_exit = True
        thread.join()


def talk(port: int, *pieces: bytes) -> bytes:
    """Send the pieces, then read until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for piece in pieces:
            connection.sendall(piece)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


def test_stuck_connections_end(start, short_times):
    port = start()
    assert talk(port) == b""  # says nothing
    assert talk(port, b"POST /invocations HTTP/1.1\r\nHost: x\r\n") == b""  # half a header
    stuck = talk(port, b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n", b"CHROM")  # half a body
    assert stuck.startswith(b"HTTP/1.1 408") and b"did not arrive within 0.3 s" in stuck
    idle = talk(port, b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")  # stays after an answer
    assert idle.startswith(b"HTTP/1.1 200")
    half = talk(port, b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /ping HTT")  # half of a second header
    assert half.startswith(b"HTTP/1.1 200") and half.count(b"HTTP/1.1") == 1


def test_more_connections_than_there_is_room_for_are_told_so(start, short_times, monkeypatch):
    monkeypatch.setattr(server, "CONNECTIONS", 3)
    monkeypatch.setattr(server, "HEADER_SECONDS", 20)
    port = start()
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
    try:
        assert httpx.get(f"http://127.0.0.1:{port}/ping").status_code == 503
    finally:
        for connection in held:
            connection.close()
    for _ in range(200):
        if httpx.get(f"http://127.0.0.1:{port}/ping").status_code == 200:
            break
    else:
        pytest.fail("no room again after the others left")


def test_a_client_that_leaves_is_no_traceback(start, caplog):
    said = []
    port = start(log=said.append)
    with caplog.at_level(logging.DEBUG):
        for sent in (b"", b"CHROM,POS\n", b"x" * 200_000):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n" + sent)
        for _ in range(100):
            if len(said) == 3:
                break
            httpx.get(f"http://127.0.0.1:{port}/ping")
            said[:] = [line for line in said if "/ping" not in line]
    assert [line.split()[4] for line in said] == ["499"] * 3
    assert not [record for record in caplog.records if record.exc_info or "Traceback" in record.getMessage()]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"[" * 100_000, wire.JSON, 400),
        (b'{"instances": ' + b"[" * 100_000, wire.JSON, 400),
        (b"[" * 100_000, wire.JSONLINES, 400),
        (b'[{"CHROM": "\\ud800", "POS": 1, "REF": "A", "ALT": "G"}]', wire.JSON, 400),
        (b'[{"CHROM": "1", "POS": 1, "REF": "A", "ALT": "G", "CLNDN": "\\udfff"}]', wire.JSON, 400),
        (b"[[" + b"[" * 900 + b"]" * 900 + b"]]", wire.JSON, 400),
        (b'[{"CHROM": ' + b"[" * 900 + b"]" * 900 + b"}]", wire.JSON, 400),
        (b"[" + b"9" * 5000 + b"]", wire.JSON, 400),
        (b'[{"CHROM": 1e999, "POS": "1", "REF": "A", "ALT": "G"}]', wire.JSON, 200),
        (b"\xff\xfe\x00", wire.JSON, 400),
        (b"\x00", wire.CSV, 400),
        (ROW.encode() + b"1,7,A,\xff\n", wire.CSV, 400),
        (b"chrom,pos,ref,alt\n1,7,A,G\n", wire.CSV + ";header=present", 400),
        (ROW.encode(), "text/csv; header=absent", 400),
        (ROW.encode(), "application/x-\xe9", 415),
        ("\ufeff".encode() + ROW.encode(), wire.CSV, 200),
    ],
)  # fmt: skip
def test_hostile_bodies_are_answered(start, caplog, body, kind, status):
    port = start()
    headers = {"Content-Type": kind.encode("latin-1")}
    answer = httpx.post(f"http://127.0.0.1:{port}/invocations", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    if status != 200:
        assert "\n" not in answer.json()["Message"] and len(answer.json()["Message"]) < 400
    assert not [record for record in caplog.records if record.exc_info]


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(start):
    port = start()
    lying = talk(
        port, b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\nConnection: close\r\n\r\n"
    )
    assert lying.startswith(b"HTTP/1.1 413") and b"larger than 6 MB" in lying


def test_a_token_lets_in(start):
    port = start(token="correct horse battery")
    url = f"http://127.0.0.1:{port}"
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic correct horse battery"}):
        refused = httpx.post(f"{url}/invocations", content=ROW, headers=headers)
        assert refused.status_code == 401 and "token" in refused.json()["Message"]
        assert httpx.get(f"{url}/metrics", headers=headers).status_code == 401
        assert httpx.get(f"{url}/ping", headers=headers).status_code == 200
        assert httpx.get(f"{url}/health", headers=headers).status_code == 200
    for headers in (
        {"Authorization": "Bearer correct horse battery"},
        {"X-Api-Key": "correct horse battery"},
        {"Authorization": "bearer correct horse battery"},
    ):
        answer = httpx.post(f"{url}/invocations", content=ROW, headers=headers | {"Content-Type": wire.CSV})
        assert answer.text == "1,0.5\n"


def test_only_the_hosts_that_were_named_are_answered(start):
    port = start(hosts=[*server.LOOPBACK_NAMES, "Lab.example"])
    url = f"http://127.0.0.1:{port}/ping"
    for host, status in (
        ("localhost:1", 200),
        ("LOCALHOST", 200),
        ("lab.example:80", 200),
        ("[::1]:8080", 200),
        ("127.0.0.1", 200),
        ("evil.example", 421),
        ("", 421),
    ):
        assert httpx.get(url, headers={"Host": host}).status_code == status


def test_tokens_that_are_refused(tmp_path, monkeypatch):
    monkeypatch.delenv(gate.TOKEN, raising=False)
    assert gate.read_token(None) == ""
    (tmp_path / "token").write_text("short\n")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "fifteen").write_text("x" * 15)
    for place in (tmp_path / "token", tmp_path / "none", tmp_path / "empty", tmp_path / "fifteen"):
        with pytest.raises(InputError, match="token"):
            gate.read_token(place)
    (tmp_path / "token").write_text("x" * 16 + "\n")
    assert gate.read_token(tmp_path / "token") == "x" * 16
    monkeypatch.setenv(gate.TOKEN, "short")
    with pytest.raises(InputError, match="at least 16"):
        gate.read_token(None)


def test_health_metrics_and_a_log_without_payload(start):
    said = []
    port = start(log=said.append)
    url = f"http://127.0.0.1:{port}"
    assert httpx.get(f"{url}/health").json()["weights_sha256"] == "ab" * 32
    httpx.post(f"{url}/invocations?secret=1", content=ROW * 1 + "1,8,C,T\n", headers={"Content-Type": wire.CSV})
    httpx.get(f"{url}/%1b%5b31mred")
    text = httpx.get(f"{url}/metrics").text
    assert 'genomicslearning_requests_total{path="/invocations",status="200"} 1\n' in text
    assert 'genomicslearning_requests_total{path="other",status="404"} 1\n' in text
    assert "genomicslearning_rows_total 2\n" in text and "genomicslearning_requests_in_progress 1\n" in text
    assert 'genomicslearning_request_seconds_bucket{le="+Inf"} 3\n' in text
    assert "POST /invocations 200 34 bytes" in said[1]
    assert not any("secret" in line or "CHROM" in line or "\x1b" in line for line in said)
    assert r"GET /\x1b[31mred 404" in said[2]


def test_paths_that_nobody_answers_are_counted_as_one_whoever_asks(start):
    """Without a token too: else anybody could fill the counts."""
    url = f"http://127.0.0.1:{start(token='correct horse battery')}"
    for path in ("/a", '/b"}', "/endpoints/mine/other", "/endpoints/mine/invocations", "/invocations"):
        assert httpx.post(url + path, content=ROW).status_code == 401
    text = httpx.get(f"{url}/metrics", headers={"X-Api-Key": "correct horse battery"}).text
    counted = [line.removeprefix("genomicslearning_requests_total") for line in text.splitlines() if "total{" in line]
    assert counted == [
        '{path="/endpoints/{name}/invocations",status="401"} 1',
        '{path="/invocations",status="401"} 1',
        '{path="other",status="401"} 3',
    ]


def test_seconds_are_counted_up_to_and_with_the_end_of_a_bucket():
    metrics = gate.Metrics()
    for seconds in (0.005, 0.006, 0.5, 11.0):
        metrics.done("/ping", 200, seconds)
    found = dict(line.split() for line in metrics.text().splitlines() if "bucket" in line)
    name = "genomicslearning_request_seconds_bucket"
    ends = ("0.005", "0.01", "0.25", "0.5", "10.0", "+Inf")
    assert [found[f'{name}{{le="{end}"}}'] for end in ends] == ["1", "2", "2", "3", "3", "4"]


def test_a_server_listens_to_this_machine_alone_unless_told():
    with server.listen(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
    hosts = ("127.0.0.1", "127.8.8.8", "::1", "localhost", "192.0.2.1", "2001:db8::1", "lab.example")
    assert [server.is_loopback(host) for host in hosts] == [True] * 4 + [False] * 3


def test_a_header_beyond_the_limit_is_refused(start):
    long = b"GET /ping HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 40_000
    assert talk(start(), long).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("options", "token", "hosts", "warned"),
    [
        ([], "", server.LOOPBACK_NAMES, False),
        (["--host", "::1", "--allow-host", "lab"], "", ("lab", *server.LOOPBACK_NAMES), False),
        (["--host", "192.0.2.1"], "", (), True),
        (["--host", "192.0.2.1", "--allow-host", "lab", "--token-file", "token"], "x" * 20, ("lab",), False),
    ],
)
def test_what_serve_lets_in(options, token, hosts, warned, tmp_path, monkeypatch):
    from command import command  # another process imports this module, without the tests' own folder

    from genomicslearning.autopilot.model import Model

    (tmp_path / "manifest.json").touch()
    (tmp_path / "token").write_text("x" * 20)
    monkeypatch.delenv(gate.TOKEN, raising=False)
    seen = {}
    monkeypatch.setattr(Model, "load", lambda folder: Half())
    monkeypatch.setattr(app, "create", lambda model, **told: seen.update(told))
    monkeypatch.setattr(server, "serve", lambda application, **told: seen.update(told))
    done = command("serve", str(tmp_path), *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (seen["token"], tuple(seen["hosts"]), "no token is needed" in done.stderr) == (token, tuple(hosts), warned)
    assert (seen["host"], seen["port"]) == (options[1] if options else "127.0.0.1", 8080)


def resident_kb(process: int) -> int:
    with open(f"/proc/{process}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


SERVED = """
import sys
sys.path.insert(0, sys.argv[1])
from test_server import Half
from genomicslearning.endpoint import app, server
server.serve(app.create(Half()), port=0, ready=lambda address: print(address, flush=True))
"""


@pytest.fixture
def process():
    here = os.path.dirname(__file__)
    with subprocess.Popen(
        [sys.executable, "-c", SERVED, here], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as started:
        yield started, started.stdout.readline().decode().strip()
        started.kill()


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")
def test_memory_comes_back_after_large_bodies(process):
    started, url = process
    httpx.post(f"{url}/invocations", content=ROW, headers={"Content-Type": wire.CSV})
    before = resident_kb(started.pid)
    large = "CHROM,POS,REF,ALT,CLNDN\n" + f"1,7,A,G,{'x' * 80}\n" * 60_000
    for _ in range(4):
        answer = httpx.post(f"{url}/invocations", content=large, headers={"Content-Type": wire.CSV}, timeout=60)
        assert answer.status_code == 200
    assert resident_kb(started.pid) - before < 60_000


def test_a_server_that_is_told_to_end_answers_first_and_ends_with_0(process):
    started, url = process
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: {len(ROW)}\r\n\r\n"
        connection.sendall(head.encode() + ROW[:5].encode())
        assert httpx.get(f"{url}/ping").status_code == 200  # so the other request has begun
        started.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:  # until nobody is let in any more
            try:
                httpx.get(f"{url}/ping")
            except httpx.TransportError:
                break
        connection.sendall(ROW[5:].encode())
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200") and started.wait(20) == 0
    assert b"Traceback" not in started.stderr.read()
