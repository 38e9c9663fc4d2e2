"""Pages of hostile data in a real browser: no script runs, nothing navigates, nothing is asked for or submitted."""

from __future__ import annotations

import pandas as pd
import pytest
from browser import (
    HOSTILE,
    NARROW,
    WIDE,
    chromium,
    listener,
    open_at,
    print_at_a4,
    serious_findings,
    shows_text_alone,
)  # fmt: skip
from bs4 import BeautifulSoup
from nbformat import v4
from pages import METRICS, captured_outputs, write_predictions, write_run

from genomicslearning import report
from genomicslearning.report import gallery
from genomicslearning.report import text as page_text
from genomicslearning.report.comparison import comparison_page
from genomicslearning.report.index_page import render_index
from genomicslearning.report.page import render_notebook
from genomicslearning.runs import compare


def hostile_outputs(text: str) -> list:
    """Every way in which text reaches a report: our own displays, and whatever a cell can store."""
    with captured_outputs() as outputs:
        report.table(pd.DataFrame({text: [text], "n": [1]}), text)
        report.warn(text)
        report.finding(text)
        report.verdict(text, pd.DataFrame([{"question": text, "answer": "no", "because": text}]))
        report.markdown(f"## {text}\n\n- {text}\n\n| a |\n| - |\n| {text} |\n\n{text}")
    data = [{kind: text} for kind in ("text/html", "text/markdown", "text/plain", "text/latex", "image/svg+xml")]
    data += [{"application/javascript": 'document.title="owned"'}, {"text/vnd.mermaid": text}]
    data.append({"application/vnd.jupyter.widget-view+json": {"model_id": text}})
    outputs += [v4.new_output("display_data", data=one) for one in data]
    outputs += [v4.new_output("stream", name=name, text=text) for name in ("stdout", "stderr")]
    outputs.append(v4.new_output("error", ename=text, evalue=text, traceback=[text]))
    return outputs


def hostile_run(folder, text: str):
    """A run whose record, figures, parameters and outputs are all this text."""
    record = {
        "backend": text, "git": text, "versions": {"genomicslearning": text, text: text},
        "parameters": {text: text, "split": text, "training_set": text},
        "inputs": [{"role": text, "name": text, "bytes": 1, "sha256": text, "fileDate": text, "reference": text}],
        "artifacts": ["predictions.csv"], "metrics": METRICS | {"split": text, "features": text, "preset": text},
    }  # fmt: skip
    write_run(folder, hostile_outputs(text), **record)
    write_predictions(folder, quality=1)
    return [
        render_notebook(folder / "evaluation.ipynb"),
        render_index(folder),
        gallery.gallery([folder], folder / "all.html"),
        comparison_page(compare.comparison(folder, write_run(folder.parent / "other")), folder / "comparison.html"),
    ]


def test_hostile_text_stays_text_in_a_browser(tmp_path):
    with chromium() as browser, listener() as (address, asked):
        control = tmp_path / "control.html"
        control.write_text(f'<title>control</title><img src="{address}/control">')
        open_at(browser, control, WIDE)
        assert "/control" in asked, "the listener would hear a page that asks"
        asked.clear()
        text = " ".join(HOSTILE).format(address)
        for page in hostile_run(tmp_path / "run", text):
            shows_text_alone(browser, page)
            assert asked == [], page.name


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_markdown_and_html_keep_nothing_that_acts(number):
    text = HOSTILE[number].format("https://example.org")
    for markup in (page_text.markdown(text), page_text.cleaned(text)):
        for tag in BeautifulSoup(markup, "html.parser").find_all(True):
            assert tag.name not in "script meta iframe object embed svg form base link style".split()
            assert not [name for name in tag.attrs if name.startswith("on")]
            assert not tag.get("src") and "position" not in tag.get("style", "") and "url" not in tag.get("style", "")
            assert not tag.get("href", "").lower().startswith(("javascript:", "data:"))


def test_each_way_of_text_into_a_page_by_itself():
    """Without a browser: what each is given, and what it gives."""
    assert page_text.templates().from_string("{{ x }}").render(x="<b>'\"") == "&lt;b&gt;&#39;&#34;"
    assert page_text.markdown("a <b>c</b>").strip() == "<p>a &lt;b&gt;c&lt;/b&gt;</p>"
    assert "javascript" not in page_text.markdown("[a](javascript:alert)")
    for address in ("data:text/html,x", " DATA:text/html,x", "javascript:x"):
        assert "href" not in page_text.cleaned(f'<a href="{address}">a</a>')
    assert 'href="https://example.org"' in page_text.cleaned('<a href="https://example.org">a</a>')
    for source in ("https://example.org/x.png", "data:text/html;base64,AAAA", "data:image/png;base64,AAAA,x"):
        assert "src" not in page_text.cleaned(f'<img src="{source}" alt="x">')


def test_what_reports_show_survives_the_cleaning():
    with captured_outputs() as outputs:
        report.table(pd.DataFrame({"a": ["x"], "n": [1.5]}), "Caption")
        report.warn("Careful.")
    for output in outputs:
        markup = output.data["text/html"]
        for kept in ('class="table"', 'tabindex="0"', "<caption", 'scope="col"', 'class="warning"', "border-left"):
            assert (kept in markup.replace("scope=col", 'scope="col"')) == (kept in page_text.cleaned(markup)), kept
    picture = '<img src="data:image/png;base64,AAAA" alt="x">'
    assert page_text.cleaned(picture) == picture


def test_pages_have_no_serious_accessibility_finding(tmp_path):
    """A run, a failed one, all runs and a comparison, wide and narrow, light and dark."""
    import matplotlib.pyplot as plt

    wide = pd.DataFrame({f"column {n}": [f"a long cell number {n}", "y"] for n in range(14)} | {"n": [1234, 5]})
    with captured_outputs() as outputs:
        report.table(wide, "Many columns")
        texts = {"CHROM": ["17"], "POS": [43091405], "reasons": ["allele frequency 0.01 to 0.1 % (raises it); " * 5]}
        report.table(pd.DataFrame(texts | {f"a wordy heading {n}": ["some text"] for n in range(5)}), "Eight columns")
        report.show(plt.figure(), "A figure", headline=True)
        report.warn("Careful.")
        report.verdict("Good.", pd.DataFrame([{"question": "Rank?", "answer": "yes", "because": "AUC 0.8"}]))
        report.markdown("# Model card\n\n| a | b |\n| - | - |\n| 1 | 2 |")
    outputs.append(v4.new_output("stream", name="stdout", text="\n".join(f"line {n}" for n in range(40))))
    outputs.append(v4.new_output("stream", name="stderr", text="\x1b[31mred\x1b[0m"))
    good = write_run(tmp_path / "good", outputs)
    error = v4.new_output("error", ename="ValueError", evalue="bad", traceback=["\x1b[31mValueError\x1b[0m: bad"])
    failed = write_run(tmp_path / "failed", error=error, status="failed", metrics=None)
    write_predictions(good, quality=1)
    pages = [render_notebook(folder / "evaluation.ipynb") for folder in (good, failed)]
    pages += [render_index(folder) for folder in (good, failed)]
    pages.append(gallery.gallery([good, failed], tmp_path / "index.html"))
    pages.append(comparison_page(compare.comparison(good, failed), tmp_path / "comparison.html"))
    with chromium() as browser:
        for page in pages:
            for size in (WIDE, NARROW):
                for dark in (False, True):
                    open_at(browser, page, size, dark=dark)
                    assert serious_findings(browser) == [], f"{page.name} at {size[0]} px, dark {dark}"
                    width = browser.execute_script("return document.documentElement.scrollWidth")
                    assert width <= size[0], f"{page.name} is {width} px wide at {size[0]}"
            print_at_a4(browser)
            right = "Math.max(0, ...[...document.querySelectorAll('td, th')].map(c => c.getBoundingClientRect().right))"
            assert browser.execute_script(f"return {right}") <= 710, f"{page.name} loses a column in print"
