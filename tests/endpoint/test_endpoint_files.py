"""Predicting files, the commands that serve and predict, and the package that goes to SageMaker."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from command import command
from packaging.utils import canonicalize_name

from genomicslearning import InputError, autopilot, endpoint
from genomicslearning.autopilot.model import Model
from genomicslearning.endpoint import batch, package, wire
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import read_table

COMMAND = [sys.executable, "-m", "genomicslearning"]


@pytest.fixture(scope="module")
def table(demo_pair, tmp_path_factory) -> pd.DataFrame:
    out = tmp_path_factory.mktemp("rows") / "table.parquet"
    build_training_set(clinvar=str(demo_pair[0]), annotated=str(demo_pair[1]), out=str(out))
    return read_table(out).sample(700, random_state=3).reset_index(drop=True)


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory) -> Path:
    """A model folder that a job left."""
    runs = tmp_path_factory.mktemp("runs")
    autopilot.start(table, folder=runs, name="job", preset="quick", max_candidates=1, progress=lambda text: None).wait()
    return runs / "job" / "model"


@pytest.fixture(scope="module")
def expected(table, folder) -> pd.DataFrame:
    """predictions.csv of the table, made another way."""
    model = Model.load(folder)
    probability = model.predict(table)
    symbol = table["SYMBOL"].fillna(table["GENEINFO"].str.partition(":")[0])
    first = table[["VARIATION_ID", "CHROM", "POS", "REF", "ALT"]]
    label = (probability >= model.threshold).astype(int)
    return first.assign(SYMBOL=symbol, CLASS=table["CLASS"], predicted_label=label, probability=probability)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Several pieces and blocks, as a big file has."""
    monkeypatch.setattr(batch, "PIECE_ROWS", 128)
    monkeypatch.setattr(batch, "BLOCK_BYTES", 1 << 16)


def written(table: pd.DataFrame, folder: Path, kind: str) -> Path:
    path = folder / f"rows.{kind}"
    if kind == "parquet":
        table.to_parquet(path)
        return path
    text = table.to_csv(index=False).encode()
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("rows.csv", text)
    else:
        path.write_bytes(gzip.compress(text) if kind == "csv.gz" else text)
    return path


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "zip", "parquet"])
@pytest.mark.parametrize("answer", ["csv", "parquet"])
def test_a_file_is_predicted_in_its_order(table, folder, expected, tmp_path, kind, answer):
    out, said = tmp_path / f"out.{answer}", []
    assert batch.predict_file(folder, written(table, tmp_path, kind), out, progress=said.append) == len(table)
    if answer == "csv":
        types = {"VARIATION_ID": str, "CHROM": str}
        found = pd.read_csv(out, dtype=types, keep_default_na=False, na_values=[""])
    else:
        found = pd.read_parquet(out).astype({"CLASS": int})
    assert list(found.columns) == list(batch.PREDICTION_COLUMNS)
    same = [name for name in batch.PREDICTION_COLUMNS if name != "probability"]
    pd.testing.assert_frame_equal(found[same], expected[same], check_dtype=False)
    np.testing.assert_allclose(found["probability"], expected["probability"], atol=1e-12)
    assert said[0] == "predicted 128 rows" and said[-1] == "predicted 700 rows"


def test_only_the_site_is_needed_and_columns_may_stand_anywhere(folder, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("remark,ALT,REF,POS,CHROM\nmine,A,G,43045712,17\n,T,C,7,X\n")
    batch.predict_file(folder, rows, tmp_path / "out.csv")
    first = (tmp_path / "out.csv").read_text().splitlines()
    assert first[0] == "VARIATION_ID,CHROM,POS,REF,ALT,SYMBOL,CLASS,predicted_label,probability"
    assert first[1].startswith(",17,43045712,G,A,,,")


def test_odd_cells_come_back_as_they_were(folder, tmp_path):
    odd = pd.DataFrame(
        {"CHROM": "1", "POS": [1, 2, 3], "REF": "A", "ALT": ["C,G", 'a"b', "x\ny"], "SYMBOL": ["", "é", "C"]}
    )
    odd.to_csv(tmp_path / "rows.csv", index=False)
    batch.predict_file(folder, tmp_path / "rows.csv", tmp_path / "out.csv")
    found = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert found["ALT"].tolist() == ["C,G", 'a"b', "x\ny"]
    assert found["SYMBOL"].tolist() == ["", "é", "C"]
    np.testing.assert_array_equal(found["probability"], Model.load(folder).predict(odd))


ROWS = "CHROM,POS,REF,ALT\n" + "1,1,A,T\n" * 300


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ROWS + "1,x,A,T\n", "rows.csv: row 301, column POS: 'x' is not a whole number"),
        (ROWS + "1,1,A\n", "rows.csv: row 301: 3 cells where 4 were expected"),
        ("1,1,A,T\n", "rows.csv: the first line does not name CHROM, POS, REF, ALT, it is"),
        ("CHROM,POS,REF,ALT\n", "rows.csv: has no rows"),
        ("", "rows.csv: not a table, it is empty"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_line_and_leaves_no_output(folder, tmp_path, text, message):
    (tmp_path / "rows.csv").write_text(text)
    out = tmp_path / "out.csv"
    out.write_text("earlier")
    with pytest.raises(InputError, match=message):
        batch.predict_file(folder, tmp_path / "rows.csv", out)
    assert out.read_text() == "earlier"
    assert {path.name for path in tmp_path.iterdir()} == {"rows.csv", "out.csv"}


def test_a_cut_off_file_says_so(table, folder, tmp_path):
    whole = written(table, tmp_path, "csv.gz")
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(whole.read_bytes()[:-2000])
    with pytest.raises(InputError, match=r"cut.csv.gz: cannot be unpacked .* damaged or cut off"):
        batch.predict_file(folder, cut, tmp_path / "out.csv")


def test_memory_does_not_grow_with_the_file(table, folder, tmp_path):
    """The peak over eight times the rows exceeds the peak over one by less than the rows themselves take."""
    script = (
        "import resource, sys\n"
        "from genomicslearning.endpoint import batch\n"
        "batch.PIECE_ROWS, batch.BLOCK_BYTES = 512, 1 << 18\n"
        "model, out, *tables = sys.argv[1:]\n"
        "for table in tables:\n"
        "    batch.predict_file(model, table, out)\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)\n"
    )
    tables = [tmp_path / f"{copies}.csv" for copies in (4, 32)]
    for path in tables:
        pd.concat([table] * int(path.stem)).to_csv(path, index=False)
    done = subprocess.run(
        [sys.executable, "-c", script, folder, tmp_path / "out.csv", *tables],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    small, large = map(int, done.stdout.split())
    assert large - small < 25


# ---------------------------------------------------------------------- commands


def test_deploy_loads_a_folder_in_both_modes(table, folder, expected):
    with endpoint.deploy(folder) as here, endpoint.deploy(folder, mode="http") as served:
        first, second = here.invoke(table, chunk=300), served.invoke(table, chunk=300)
    pd.testing.assert_frame_equal(first, second)
    np.testing.assert_allclose(first["probability"], expected["probability"], atol=1e-12)


def test_the_predict_command(table, folder, tmp_path):
    rows = written(table, tmp_path, "csv")
    done = command("predict", folder, rows, tmp_path / "out.csv", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"700 rows predicted in {tmp_path / 'out.csv'}\n")
    bad = command("predict", tmp_path, rows, tmp_path / "x.csv", cwd=tmp_path)
    assert bad.returncode == 2 and len(bad.stderr.splitlines()) == 1
    assert bad.stderr.startswith(f"genomicslearning: {tmp_path}: no manifest.json")


def test_the_serve_command(folder):
    process = subprocess.Popen([*COMMAND, "serve", folder, "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{url}/ping").status_code == 200
        answer = httpx.post(f"{url}/invocations", content=b"CHROM,POS,REF,ALT\n17,43045712,G,A\n")
        assert len(wire.read_predictions(answer.content)) == 1
    finally:
        process.terminate()
        assert process.wait(30) in (0, -15)


# ---------------------------------------------------------------------- package


@pytest.fixture(scope="module")
def archive(folder, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("package") / "model.tar.gz"
    assert command("package", folder, out, cwd=out.parent).returncode == 0
    return out


def test_a_package_is_the_same_each_time_and_holds_nothing_that_is_pickled(folder, archive, tmp_path):
    package.write(folder, tmp_path / "again.tar.gz")
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (archive, tmp_path / "again.tar.gz")}
    assert len(digests) == 1
    with tarfile.open(archive) as packed:
        names = packed.getnames()
    assert {"model/manifest.json", "model/model.skops", "code/inference.py", "code/requirements.txt"} <= set(names)
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".joblib", ".pyc"))]


def clean_environment(folder: Path, requirements: Path) -> Path:
    """A new virtual environment with the pinned requirements and nothing else, taken from this one: no network."""
    venv.create(folder, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"))
    for line in requirements.read_text().splitlines():
        name, version = line.split("==")
        installed = metadata.distribution(name)
        assert (canonicalize_name(installed.name), installed.version) == (name, version)
        for top in {file.parts[0] for file in installed.files if file.parts[0] not in ("..", "__pycache__")}:
            if not (site / top).exists():
                os.symlink(installed.locate_file(top), site / top)
    return folder / "bin" / "python"


def test_a_package_serves_in_a_clean_environment(archive, table, expected, tmp_path):
    """Unpacked as SageMaker does, it answers /ping and /invocations with no other code of ours around."""
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path / "model", filter="data")
    python = clean_environment(tmp_path / "environment", tmp_path / "model" / "code" / "requirements.txt")
    outputs = {"SAGEMAKER_INFERENCE_OUTPUT": ",".join(wire.OUTPUTS), "SAGEMAKER_BIND_TO_PORT": "0"}
    absent = subprocess.run([python, "-c", "import jupyterlab"], capture_output=True, text=True)
    assert "No module named 'jupyterlab'" in absent.stderr
    serving = [python, "-s", tmp_path / "model" / "code" / "inference.py"]
    process = subprocess.Popen(serving, env=outputs, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().strip()
        assert httpx.get(f"{url}/ping").status_code == 200
        answer = httpx.post(f"{url}/invocations", content=wire.write_rows(table, header=False), timeout=60)
        assert answer.status_code == 200, answer.text
    finally:
        process.terminate()
        process.wait(30)
    rows = pd.read_csv(pd.io.common.StringIO(answer.text), header=None, names=wire.OUTPUTS)
    np.testing.assert_allclose(rows["probability"], expected_without_extras(table, expected), atol=1e-9)
    assert json.loads(rows["probabilities"][0])[1] == pytest.approx(rows["probability"][0])


def expected_without_extras(table: pd.DataFrame, expected: pd.DataFrame) -> pd.Series:
    """Rows without a header carry the 45 published columns only: those whose gene comes from GENEINFO may differ."""
    assert table["SYMBOL"].notna().all()
    return expected["probability"]
