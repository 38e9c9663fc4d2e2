"""A server whose connections are mostly stuck: what the others get, when the stuck ones end, what it remembers.

    python benchmarks/load_held.py [--seconds 75] [--clients 8] [--stuck 40] [--out build/load_held.json]

Stuck connections send half a header, half a body, or nothing, and wait; each that the server ends is opened again.
Beside them clients send requests of one row and check every answer. Then connections beyond the limit are tried. The
model is a small one of the embedded sample: what is measured is the server, not the model.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from fuzz import small_model
from serve import load, used

ROOT = Path(__file__).resolve().parent.parent
ROW = b"CHROM,POS,REF,ALT\n17,43045712,G,A\n"
HEAD = b"POST /invocations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-"
HALVES = {
    "half a header": HEAD,
    "half a body": HEAD + b"Type: text/csv\r\nContent-Length: 900\r\n\r\n" + ROW,
    "nothing": b"",
}
BEYOND = 40


async def stuck(port: int, what: str, until: float, held: dict[str, list[float]]) -> None:
    """Be stuck again and again; notes how long each connection was held."""
    while time.perf_counter() < until:
        started = time.perf_counter()
        with suppress(OSError, asyncio.TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HALVES[what])
            await asyncio.wait_for(reader.read(), max(0.1, until - time.perf_counter()))
            held[what].append(time.perf_counter() - started)
            writer.close()


async def under_load(port: int, seconds: float, clients: int, stuck_ones: int) -> tuple[list[float], dict]:
    """Latencies of the clients, and how long stuck connections were held."""
    until = time.perf_counter() + seconds
    held: dict[str, list[float]] = {what: [] for what in HALVES}
    kinds = list(HALVES)
    waiting = [asyncio.create_task(stuck(port, kinds[n % len(kinds)], until, held)) for n in range(stuck_ones)]
    await asyncio.sleep(1)
    latencies = await load(port, [ROW] * clients, 1, seconds - 1, clients)
    await asyncio.gather(*waiting)
    return latencies, held


async def beyond_the_limit(port: int, limit: int) -> Counter[str]:
    """The status that each of so many connections at a time gets, the first ones stuck in their header."""
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(limit)]
    for _, writer in held:
        writer.write(HALVES["half a header"])
    statuses: Counter[str] = Counter()
    for _ in range(BEYOND):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /ping HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        line = await asyncio.wait_for(reader.readline(), 20)
        statuses[line.decode().split(" ")[1] if line else "closed"] += 1
        writer.close()
    for _, writer in held:
        writer.close()
    return statuses


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=75)
    options.add_argument("--clients", type=int, default=8)
    options.add_argument("--stuck", type=int, default=40)
    options.add_argument("--out", type=Path, default=ROOT / "build" / "load_held.json")
    chosen = options.parse_args()
    from genomicslearning.endpoint import server as served

    with tempfile.TemporaryDirectory() as scratch, Path(scratch, "log").open("w") as log:
        command = [sys.executable, "-m", "genomicslearning", "serve", small_model(Path(scratch)), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as server:
            try:
                address = next(line for line in server.stdout if "http://" in line)
                port = int(re.search(r":(\d+)", address.partition("http://")[2])[1])
                asyncio.run(load(port, [ROW] * chosen.clients, 1, 2, chosen.clients))
                _, before = used(server.pid)
                latencies, held = asyncio.run(under_load(port, chosen.seconds, chosen.clients, chosen.stuck))
                statuses = asyncio.run(beyond_the_limit(port, served.CONNECTIONS))
                time.sleep(1)  # those that were held are let go
                asyncio.run(load(port, [ROW], 1, 1, 1))
                _, after = used(server.pid)
            finally:
                server.terminate()
            code = server.wait(30)
        said = Path(scratch, "log").read_text()
    latencies.sort()
    report = {
        "clients": chosen.clients,
        "stuck": chosen.stuck,
        "seconds": chosen.seconds,
        "answered": len(latencies),
        "p99_ms": round(1000 * latencies[int(0.99 * len(latencies))], 1),
        "stuck_ended": {what: len(times) for what, times in held.items()},
        "longest_held": {what: round(max(times), 1) if times else None for what, times in held.items()},
        "beyond_the_limit": dict(statuses),
        "mb_before": round(before),
        "mb_after": round(after),
        "tracebacks": said.count("Traceback"),
        "exit_code": code,
    }
    print(json.dumps(report))
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(report, indent=1) + "\n")
    sys.exit(1 if report["tracebacks"] or code else 0)


if __name__ == "__main__":
    main()
