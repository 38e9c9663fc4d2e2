"""Records of other kinds than a run's: refused in one line that names the field, or shown; nothing in between."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import pytest
from pages import write_run

from genomicslearning import InputError
from genomicslearning.io.run_record import load
from genomicslearning.report import gallery
from genomicslearning.report.index_page import render_index
from genomicslearning.runs import compare

ODD = [None, 3, "x", [], {}, [1], {"a": 1}, True, 1e308, "\ud800", -1, [[]], [None], "../../etc/passwd", 10**400]


def paths(value: object, so_far: tuple = ()) -> Iterator[tuple]:
    """Where each value of a record stands."""
    if so_far:
        yield so_far
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from paths(inner, (*so_far, key))


def altered(text: str, place: tuple, value: object) -> str:
    record = json.loads(text)
    inner = record
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return json.dumps(record)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    made_from = {"before": "", "parameters": {"seed": 1}, "inputs": [], "notebook": "x", "versions": {}, "settings": {}}
    step = {"name": "data_prep", "status": "done", "seconds": 3.0, "made_from": made_from, "products": {"a": "00"}}
    return write_run(folder / "good"), write_run(folder / "odd", steps=[step])


@pytest.mark.parametrize("part", range(4))
def test_every_field_of_another_kind_is_refused_or_shown(runs, part):
    good, odd = runs
    path = odd / "run.json"
    text = path.read_text()
    draw = random.Random(part)
    try:
        for place in draw.sample(list(paths(json.loads(text))), 20):
            for value in draw.sample(ODD, 3):
                path.write_text(altered(text, place, value))
                try:
                    load(odd)
                except InputError as problem:
                    assert "\n" not in str(problem) and "run.json: " in str(problem)
                    with pytest.raises(InputError):
                        compare.comparison(good, odd)
                else:
                    render_index(odd)
                    compare.comparison(good, odd)
                assert "odd" in gallery.gallery([good, odd], odd.parent / "index.html").read_text()
    finally:
        path.write_text(text)


def test_a_record_that_is_cut_anywhere_is_refused(runs):
    path = runs[1] / "run.json"
    text = path.read_text()
    try:
        for end in random.Random(5).sample(range(1, len(text.rstrip()) - 1), 50):
            path.write_text(text[:end])
            with pytest.raises(InputError, match=r"run\.json: no run's record .*cut off"):
                load(runs[1])
    finally:
        path.write_text(text)
