"""Names of genes and conditions are drawn as they are: dollar signs are no mathematics, and stop nothing."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest

from genomicslearning.report import display


@pytest.mark.parametrize("name", ["$\\frac{$", "a $x^2$ b", "cost $5", "\\$", "$$", "A_1^2"])
def test_a_name_with_dollar_signs_is_drawn(name, monkeypatch):
    shown = []
    monkeypatch.setattr(display, "display", lambda data, **rest: shown.append(data))
    figure, ax = plt.subplots()
    ax.barh([name, "other"], [1, 2], label=name)
    ax.set(title=name, xlabel=name)
    ax.legend()
    figure.tight_layout()
    assert [label.get_text() for label in ax.get_yticklabels()] == [name, "other"]
    display.show(figure, alt=name)
    assert shown[0]["text/plain"] == name and len(shown[0]["image/png"]) > 1000
