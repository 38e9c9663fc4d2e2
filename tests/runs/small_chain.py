"""A chain of two small notebooks in place of the product's four, and a person who executes them by hand."""

from __future__ import annotations

import nbformat

from genomicslearning.runs import chain, folder, opening, parameters, record, validation

FIRST = """
from pathlib import Path
folder = Path(run_dir) / "data"
folder.mkdir(exist_ok=True)
count = folder / "count.txt"
count.write_text(str(int(count.read_text()) + 1 if count.exists() else 1))
(folder / "first.txt").write_text(str(seed))
"""
SECOND = """
from pathlib import Path
print("second at work")
(Path(run_dir) / "second.txt").write_text((Path(run_dir) / "data" / "first.txt").read_text() * factor)
(Path(run_dir) / "model_card.md").write_text("# Card")
"""
STEPS = ("first", "second")
PRODUCTS = {"first": ("data/first.txt",), "second": ("second.txt",)}


def write_notebook(path, head, *sources):
    cells = [nbformat.v4.new_markdown_cell("# Title"), nbformat.v4.new_code_cell(head)]
    cells[1].metadata["tags"] = ["parameters"]
    cells += [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)


def use_notebooks(monkeypatch, place) -> None:
    """Let the runs room know the two notebooks in this folder and no others."""
    monkeypatch.setattr(parameters, "notebook", lambda step: place / f"{step}.ipynb")
    for module in (chain, folder, opening, parameters, record, validation):
        if hasattr(module, "STEPS"):
            monkeypatch.setattr(module, "STEPS", STEPS)
        if hasattr(module, "PRODUCTS"):
            monkeypatch.setattr(module, "PRODUCTS", PRODUCTS)


def by_hand(step: str, **given) -> dict:
    """Execute a notebook as a person does in JupyterLab: every cell, with some parameters edited. Its variables."""
    names: dict = {}
    for cell in nbformat.read(parameters.notebook(step), as_version=4).cells:
        if cell.cell_type != "code":
            continue
        exec(cell.source, names)
        if "parameters" in cell.metadata.get("tags", []):
            assert set(given) <= set(names)
            names |= given
    return names
