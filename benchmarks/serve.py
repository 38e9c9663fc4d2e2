"""A served model under load: requests a second, latency and memory, from clients in a process of their own.

    python benchmarks/serve.py --model MODEL_DIR --table clinvar_conflicting.csv.zip [--seconds 20] [--clients 32]

Starts `genomicslearning serve`, and beside it clients on loopback that each keep a connection open and send their next
request when they have the last answer: bodies of one row, then of 20. Every answer's status and number of rows is
checked. CPU seconds are the server's; memory is its resident size at the start and the end of each part.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from genomicslearning.endpoint import wire
from genomicslearning.training_set.table import read_table

TICKS = os.sysconf("SC_CLK_TCK")


async def client(port: int, bodies: list[bytes], rows: int, until: float, latencies: list[float]) -> None:
    """Ask again and again on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    number = 0
    while time.perf_counter() < until:
        body = bodies[number % len(bodies)]
        number += 1
        head = (
            f"POST /invocations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {wire.CSV}\r\nContent-Length: {len(body)}"
        )
        started = time.perf_counter()
        writer.write(head.encode() + b"\r\n\r\n" + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        content = await reader.readexactly(int(re.search(rb"content-length: (\d+)", answer)[1]))
        latencies.append(time.perf_counter() - started)
        if b" 200 " not in answer.partition(b"\r\n")[0] or content.count(b"\n") != rows:
            raise SystemExit(f"unexpected answer: {answer[:200]!r} {content[:200]!r}")
    writer.close()


async def load(port: int, bodies: list[bytes], rows: int, seconds: float, clients: int) -> list[float]:
    until, latencies = time.perf_counter() + seconds, []
    await asyncio.gather(*(client(port, bodies[n::clients], rows, until, latencies) for n in range(clients)))
    return latencies


def used(pid: int) -> tuple[float, float]:
    """CPU seconds and resident MB of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return (int(fields[11]) + int(fields[12])) / TICKS, resident / 1e6


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", required=True)
    options.add_argument("--table", required=True)
    options.add_argument("--seconds", type=float, default=20)
    options.add_argument("--clients", type=int, default=32)
    chosen = options.parse_args()
    table = read_table(chosen.table).sample(3200, random_state=200)
    command = [sys.executable, "-m", "genomicslearning", "serve", chosen.model, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            address = next(line for line in server.stdout if "http://" in line)
            port = int(re.search(r":(\d+)", address.partition("http://")[2])[1])
            for rows in (1, 20):
                bodies = [wire.write_rows(table.iloc[start : start + rows]) for start in range(0, 3200, rows)]
                asyncio.run(load(port, bodies, rows, 2, chosen.clients))
                cpu, before = used(server.pid)
                started = time.perf_counter()
                latencies = asyncio.run(load(port, bodies, rows, chosen.seconds, chosen.clients))
                seconds = time.perf_counter() - started
                after_cpu, after = used(server.pid)
                middle, slow = np.quantile(latencies, [0.5, 0.99]) * 1000
                found = {
                    "rows_per_request": rows,
                    "clients": chosen.clients,
                    "requests_per_second": round(len(latencies) / seconds, 1),
                    "server_cpu_ms_per_request": round(1000 * (after_cpu - cpu) / len(latencies), 2),
                    "p50_ms": round(middle, 1),
                    "p99_ms": round(slow, 1),
                    "server_mb_before": round(before),
                    "server_mb_after": round(after),
                }
                print(json.dumps(found), flush=True)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
