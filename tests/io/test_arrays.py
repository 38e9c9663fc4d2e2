"""Arrow arrays made of buffers: equal to pyarrow's own, and pandas stays out."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vcf_files import write

from genomicslearning.io import arrays


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=5)), max_size=20))
def test_texts(texts):
    found = arrays.of_texts([None if text is None else text.encode() for text in texts])
    found.validate(full=True)
    assert found.equals(pa.array(texts, pa.string()))


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=20), st.integers(0, 20))
def test_flags(values, start):
    found = arrays.of_flags(np.array(values, bool))
    assert found.equals(pa.array(values, pa.bool_()))
    assert arrays.flags_of(found.slice(start)).tolist() == values[start:]


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), max_size=20), st.integers(0, 20))
def test_numbers(values, start):
    known = np.array([value is not None for value in values], bool)
    found = arrays.of_numbers(np.array([value or 0 for value in values], np.int64), known)
    assert found.equals(pa.array(values, pa.int64()))
    read = arrays.numbers_of(found.slice(start), np.int64).tolist()
    assert [value for value, one in zip(read, known[start:], strict=True) if one] == [
        value for value in values[start:] if value is not None
    ]


def test_no_conversion_imports_pandas(tmp_path):
    """Its import costs more than a small file."""
    declared = '##INFO=<ID=AC,Number=A,Type=Integer,Description="x">\n##INFO=<ID=DB,Number=0,Type=Flag,Description="x">'
    source = write(
        tmp_path / "a.vcf", ["1 5 . A G . . AC=1;DB", "1 6 . A G . . AC=1,x,.", "1 x . A G . . ."], extra=declared
    )
    program = (
        "import sys; from genomicslearning.parquet.vcf import vcf_to_parquet as convert; source, out = sys.argv[1:]; "
        "convert(source, out); convert(source, out, text=True); assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, source, tmp_path / "a.parquet"], check=True)


@pytest.mark.parametrize("command", ["vcf-to-parquet", "training-set"])
def test_no_table_is_made_with_threads_for_linear_algebra(tmp_path, command):
    """They would start with NumPy, and cost a tenth of the smallest file."""
    arguments = [command, "missing.vcf", "a.parquet"]
    if command == "training-set":
        arguments = [command, "--clinvar", "missing.vcf", "--out", "a.csv"]
    program = (
        "import sys\ntry:\n    from genomicslearning.cli import main; main()\n"
        "except SystemExit as end:\n    assert end.code == 2\n"
        "import numpy.linalg, threadpoolctl; print([pool['num_threads'] for pool in threadpoolctl.threadpool_info()])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() in ("[1]", "[]")  # none of its own on macOS
