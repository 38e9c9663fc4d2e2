"""Data to page text: the one place where text of files, notebooks and laboratories becomes HTML.

A content security policy forbids scripts and requests, but not a meta refresh; so no markup of the data's own reaches
a page. Templates escape every value by themselves (`templates`), Markdown gives no HTML but its own (`markdown`), and
HTML that a notebook's cell displayed keeps only what shows tables and text (`cleaned`).
"""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import nh3

HERE = Path(__file__).resolve().parent
OURS = "genomicslearning"  # the metadata key of an output that a page may quote

_TAGS = set(
    "a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6"
    " hr i img kbd li ol p pre s samp small span strong sub summary sup table tbody td tfoot th thead tr u ul".split()
)
# The text within these is not for reading.
_DROPPED = {"script", "style", "iframe", "object", "embed", "template", "noscript", "form", "svg", "math", "title"}
_ATTRIBUTES = {
    "*": {"class", "id", "style", "role", "tabindex", "title", "aria-label", "aria-hidden"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "td": {"colspan", "rowspan", "headers"},
    "th": {"colspan", "rowspan", "scope"},
}
_STYLES = {
    "background", "background-color", "border-left", "caption-side", "color", "font-weight", "margin", "max-width",
    "padding", "text-align", "white-space", "width",
}  # fmt: skip
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|svg\+xml);base64,[A-Za-z0-9+/=\s]+")


def templates() -> jinja2.Environment:
    """Jinja's environment of this package's pages; every value is escaped unless a template says that it is ours."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"count": "{:,}".format, "stamp": stamp}
    return environment


def asset(name: str) -> str:
    """A stylesheet or script of this package."""
    return (HERE / name).read_text(encoding="utf-8")


def cleaned(markup: str) -> str:
    """HTML from a notebook's output with nothing in it that runs, loads, submits or leads away by itself."""
    return nh3.clean(
        markup,
        tags=_TAGS,
        clean_content_tags=_DROPPED,
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto", "data"},
        filter_style_properties=_STYLES,
    )


def _attribute(tag: str, name: str, value: str) -> str | None:
    if tag == "img" and name == "src":
        return value if _PICTURE.fullmatch(value) else None
    if name == "href" and value.strip().lower().startswith("data:"):
        return None
    if name == "style" and "url(" in value.lower().replace("\\", ""):
        return None
    return value


def markdown(text: str) -> str:
    """Markdown as HTML; HTML in it is shown as the text that it is, and pictures from elsewhere are left out."""
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    renderer = IPythonRenderer(escape=True, allow_harmful_protocols=False)
    return cleaned(MarkdownWithMath(renderer=renderer).render(text))


def stamp(moment: str | None) -> str:
    """A moment of `run.json` (ISO 8601, UTC) as a reader writes it, to the minute."""
    return f"{moment[:16].replace('T', ' ')} UTC" if moment else "–"


def heading_anchor(text: str) -> str:
    """The anchor that nbconvert gives a heading of this text."""
    return text.replace(" ", "-")
