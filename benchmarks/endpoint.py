"""Batch predictions: rows a second, CPU seconds and peak memory of `predict` on copies of a table.

    python benchmarks/endpoint.py --model MODEL_DIR --table clinvar_conflicting.csv.zip [--copies 1 4]

Each run loads the model, which counts. The last line is what one more row costs, from the first and the last run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

_RUN = """
import json, resource, sys, time
from genomicslearning.endpoint import batch
started, cpu = time.monotonic(), time.process_time()
rows = batch.predict_file(*sys.argv[1:4])
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"rows": rows, "seconds": time.monotonic() - started, "cpu_seconds": time.process_time() - cpu,
                  "peak_mb": used.ru_maxrss / 1024}))
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", required=True)
    options.add_argument("--table", required=True)
    options.add_argument("--copies", type=int, nargs="+", default=[1, 4])
    chosen = options.parse_args()
    from genomicslearning.training_set.table import read_table, write_table_csv

    table = read_table(chosen.table)
    with tempfile.TemporaryDirectory() as scratch:
        once = Path(scratch, "once.csv")
        write_table_csv(table, once)
        header, _, body = once.read_bytes().partition(b"\n")
        runs = []
        for copies in chosen.copies:
            rows = Path(scratch, "rows.csv")
            with rows.open("wb") as file:
                file.write(header + b"\n")
                for _ in range(copies):
                    file.write(body)
            command = [sys.executable, "-c", _RUN, chosen.model, str(rows), str(Path(scratch, "out.csv"))]
            found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            for unit in ("second", "cpu_second"):
                found[f"rows_per_{unit}"] = found["rows"] / found[f"{unit}s"]
            print(json.dumps({name: round(value, 1) for name, value in found.items()}), flush=True)
            runs.append(found)
    if len(runs) > 1:
        more = {name: runs[-1][name] - runs[0][name] for name in ("rows", "seconds", "cpu_seconds")}
        print(json.dumps({f"more_rows_per_{unit[:-1]}": round(more["rows"] / more[unit]) for unit in list(more)[1:]}))


if __name__ == "__main__":
    main()
