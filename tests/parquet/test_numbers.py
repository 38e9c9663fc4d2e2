"""Texts to numbers: what is none, or does not fit, is missing, and its text is kept."""

from __future__ import annotations

import math
import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomicslearning.parquet.numbers import to_numbers

INTEGER, FLOAT = pa.int64(), pa.float64()


@pytest.mark.parametrize(
    ("text", "integer", "floating"),
    [
        ("12", 12, 12.0),
        ("-0", 0, -0.0),
        ("+7", 7, 7.0),
        ("007", 7, 7.0),
        ("9223372036854775807", 2**63 - 1, 9223372036854775807.0),
        ("9223372036854775808", None, 9223372036854775808.0),
        ("-9223372036854775809", None, -9223372036854775809.0),
        ("0x1F", None, None),
        ("0X1f", None, None),
        ("-0x1F", None, None),
        ("1e3", None, 1000.0),
        ("1_000", None, None),
        ("1,5", None, None),
        (" 1", None, None),
        ("1 ", None, None),
        ("", None, None),
        ("١٢", None, None),  # Arabic digits
        ("１", None, None),  # a fullwidth digit
        ("1e308", None, 1e308),
        ("1e309", None, None),  # becomes infinite
        ("-1e400", None, None),
        ("9" * 400, None, None),
        ("1e-400", None, 0.0),
        ("inf", None, math.inf),
        ("-Infinity", None, -math.inf),
        ("nan", None, math.nan),
        ("NaN", None, math.nan),
        ("0x1p3", None, None),
        ("1d5", None, None),
        (".5", None, 0.5),
        ("5.", None, 5.0),
        (".", None, None),
        ("e5", None, None),
        ("true", None, None),
    ],
)
def test_one_text(text, integer, floating):
    """Beside a number, in a column of one value and in a list of two."""
    for kind, number, three in ((INTEGER, integer, 3), (FLOAT, floating, 3.0)):
        values, misfits = to_numbers(pa.array(["3", text, None]), kind)
        assert values.type == kind
        assert repr(values.to_pylist()) == repr([three, number, None])
        assert misfits == ({} if number is not None else {1: text})
        if text in ("", ".") or "," in text:
            continue  # in a list `.` is null, and a comma another value
        values, misfits = to_numbers(pa.array([f"3,{text}", "3,.", None]), pa.list_(kind))
        assert repr(values.to_pylist()) == repr([None if number is None else [three, number], [three, None], None])
        assert misfits == ({} if number is not None else {0: f"3,{text}"})


numbers = st.one_of(
    st.integers(-(2**65), 2**65).map(str),
    st.floats().map(repr),
    st.sampled_from(["1e999", "0x10", ".", "x", "1.", "+1", "--1", "1e", "NaN", "INF", "1e+5", "00"]),
    st.text(alphabet="0123456789+-.eExXnaif", min_size=1, max_size=6),
)


def reference(text: str, kind: pa.DataType) -> float | None:
    """The rule, one text at a time."""
    if kind == INTEGER:
        fits = re.fullmatch("[+-]?[0-9]+", text) and -(2**63) <= int(text) < 2**63
        return int(text) if fits else None
    if re.fullmatch("[+-]?(inf|infinity|nan)", text, re.IGNORECASE):
        return float(text)
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        return None
    return None if math.isinf(float(text)) else float(text)


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), numbers), max_size=8), st.sampled_from([INTEGER, FLOAT]))
def test_columns(texts, kind):
    values, misfits = to_numbers(pa.array(texts, pa.string()), kind)
    wanted = [None if text is None else reference(text, kind) for text in texts]
    assert repr(values.to_pylist()) == repr(wanted)
    assert misfits == {
        place: text
        for place, (text, number) in enumerate(zip(texts, wanted, strict=True))
        if number is None and text is not None
    }


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.lists(numbers, min_size=1, max_size=4)), max_size=6),
    st.sampled_from([INTEGER, FLOAT]),
)
def test_columns_of_lists(lists, kind):
    texts = [None if one is None else ",".join(one) for one in lists]
    values, misfits = to_numbers(pa.array(texts, pa.string()), pa.list_(kind))
    wanted, unfit = [], {}
    for place, one in enumerate(lists):
        cells = None if one is None else [None if text == "." else reference(text, kind) for text in one]
        if one and any(cell is None and text != "." for cell, text in zip(cells, one, strict=True)):
            cells = None
            unfit[place] = texts[place]
        wanted.append(cells)
    assert repr(values.to_pylist()) == repr(wanted)
    assert misfits == unfit
