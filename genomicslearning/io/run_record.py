"""A run's `run.json` as its readers may rely on it: every field of its kind, or a line that says which is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from genomicslearning import InputError
from genomicslearning.io import lake

_MOST = 1e15  # beyond it no count of bytes, no number of seconds and no figure is true
_FIGURES = (
    "roc_auc", "average_precision", "brier", "log_loss", "ece", "accuracy", "precision", "recall", "f1", "threshold",
    "n", "n_positive",
)  # fmt: skip


def load(folder: Path) -> dict:
    """What `run.json` says; `{}` where there is none.

    Raises
    ------
    InputError
        The file was cut off, or is not a run's: a field is missing or of another kind.
    """
    path = folder / "run.json"
    if not path.exists():
        return {}
    facts = lake.read_json(path, "run's record")
    for name, fits in _FIELDS.items():
        if not fits(facts.get(name)):
            raise InputError(
                f"{path}: {name} is missing or of another kind, so it is not a run's record; give the folder of a run"
            )
    try:
        json.dumps(facts, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        raise InputError(f"{path}: holds text that is no Unicode; the file is damaged") from None
    return facts


# --- kinds of values --------------------------------------------------------------------------------------------------


def _text(value: object) -> bool:
    return isinstance(value, str)


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _number(value: object) -> bool:
    """One that is finite, and small enough to be true."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -_MOST < value < _MOST


def _count(value: object) -> bool:
    return _number(value) and isinstance(value, int) and value >= 0


def _scalar(value: object) -> bool:
    return value is None or isinstance(value, (str, bool, int, float))


def _or_none(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or fits(value)


def _list_of(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _map_of(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, dict) and all(map(fits, value.values()))


def _object(**fields: Callable[[object], bool]) -> Callable[[object], bool]:
    """An object whose named fields fit; a field that may be absent fits None."""
    return lambda value: isinstance(value, dict) and all(fits(value.get(name)) for name, fits in fields.items())


def _metrics(value: object) -> bool:
    """Figures are numbers or absent, intervals two of them."""
    if not isinstance(value, dict):
        return False
    if not all(_or_none(_text)(value.get(name)) for name in ("split", "features", "preset")):
        return False
    number, interval = _or_none(_number), _or_none(_interval)
    return all(number(value.get(name)) and interval(value.get(f"{name}_ci")) for name in _FIGURES)


def _interval(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_number, value))


_INPUT = _object(
    role=_or_none(_text), name=_text, sha256=_text, bytes=_count, fileDate=_or_none(_text),
    reference=_or_none(_text),
)  # fmt: skip
_MADE_FROM = _object(
    before=_or_none(_text), parameters=_or_none(_map_of(_scalar)), inputs=_or_none(_list_of(_INPUT)),
)  # fmt: skip
_STEP = _object(
    name=lambda value: _text(value) and "/" not in str(value),
    status=_text,
    seconds=_or_none(_number),
    by_hand=_or_none(_flag),
    made_from=_or_none(_MADE_FROM),
    products=_or_none(_map_of(_text)),
    fingerprint=_or_none(_text),
)
_FIELDS: dict[str, Callable[[object], bool]] = {
    "id": _text,
    "started": _text,
    "finished": _or_none(_text),
    "status": _text,
    "backend": _text,
    "git": _or_none(_text),
    "versions": _map_of(_text),
    "synthetic": _or_none(_flag),
    "parameters": _map_of(_scalar),
    "steps": _list_of(_STEP),
    "inputs": _list_of(_INPUT),
    "artifacts": _list_of(_text),
    "metrics": _or_none(_metrics),
    "error": _or_none(_object(step=_or_none(_text), cell=_or_none(_count), message=_or_none(_text))),
}
