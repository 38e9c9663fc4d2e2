"""Data as text: as a terminal, a spreadsheet and a JSON file are given it, so that none takes it for a command."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# Control characters of ASCII and Latin-1 (escape sequences begin with them), what reverses or hides text, line ends of
# Unicode, and lone surrogates, which are bytes of a name that is no UTF-8.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
# A spreadsheet takes a cell that begins with one of these for a formula (OWASP, CSV injection).
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
FORMULA_PATTERN = "^'*[=+\\-@\t\r\n＝＋－＠]"
#: What a run or a job may be called: it becomes a folder's name.
FOLDER_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
#: Characters of one message; a cell of four megabytes is not printed whole.
LONGEST_LINE = 2000


def _escaped(found: re.Match) -> str:
    code = ord(found[0])
    return {9: r"\t", 10: r"\n", 13: r"\r"}.get(code, f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def one_line(text: object, longest: int = LONGEST_LINE) -> str:
    """A text for the terminal: control characters escaped, line breaks too, the middle of a very long one left out."""
    shown = str(text).strip()
    if len(shown) > longest:
        shown = f"{shown[: longest // 2]} … {shown[-longest // 2 :]}"
    return _CONTROL.sub(_escaped, shown)


def escaped(text: str) -> str:
    """A text of any number of lines for the terminal: control characters escaped, line feeds and tabs as they are."""
    return _CONTROL.sub(lambda found: found[0] if found[0] in "\n\t" else _escaped(found), text)


def first_line(problem: BaseException) -> str:
    """What an error of a library says, in one line."""
    said = str(problem).strip()
    return one_line(said.splitlines()[0].rstrip("."), 300) if said else type(problem).__name__


def formula_safe(text: str) -> str:
    """A cell of a CSV for people: ``'`` before a text that a spreadsheet would take for a formula.

    The texts are those that begin with ``= + - @``, a tab or a line break, also after apostrophes, so that
    `formula_read` gives every text back as it was.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def formula_read(text: str) -> str:
    """The text that `formula_safe` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def formula_safe_table(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose text cells are as `formula_safe` gives them; numbers and missing cells stay."""
    return _texts_mapped(table, formula_safe)


def formula_read_table(table: pd.DataFrame) -> pd.DataFrame:
    """The table that `formula_safe_table` was given."""
    return _texts_mapped(table, formula_read)


def _texts_mapped(table: pd.DataFrame, mapped: Callable[[str], str]) -> pd.DataFrame:
    texts = [name for name in table if table[name].dtype.kind == "O"]
    changed = {
        name: table[name].map(lambda cell: mapped(cell) if isinstance(cell, str) else cell, na_action="ignore")
        for name in texts
    }
    return table.assign(**changed)


def json_text(content: object) -> str:
    """JSON as every file of the project has it: indented by one, text as it is, a line feed at the end."""
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def page_policy(*scripts: str) -> str:
    """Content security policy of a page: no request, no form, no base, and no script but the given texts."""
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}; "
        "base-uri 'none'; form-action 'none'"
    )


def write_json(content: object, path: str | Path) -> None:
    """Write JSON into a part of `lake.output`; `lake.write_json` writes a whole file in its place."""
    # A name that is no UTF-8 (a lone surrogate) is kept, escaped.
    Path(path).write_bytes(json_text(content).encode("utf-8", "backslashreplace"))
