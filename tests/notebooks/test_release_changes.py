"""The notebook of changes alone, with its defaults: two earlier releases of the embedded sample."""

import gzip
import json
from pathlib import Path

import nbformat
import papermill
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("changes")
    place = folder / "executed.ipynb"
    papermill.execute_notebook(
        ROOT / "notebooks" / "release_changes.ipynb",
        place,
        parameters={"out": str(folder / "out")},
        progress_bar=False,
    )
    return nbformat.read(place, as_version=4), folder / "out"


def read(release: Path) -> dict[str, tuple[str, str]]:
    """Review status and classification of each VariationID, line by line."""
    found = {}
    for line in gzip.open(release, "rt"):
        if not line.startswith("#"):
            _, _, identifier, _, _, _, _, info = line.rstrip("\n").split("\t")
            keys = dict(key.split("=", 1) for key in info.split(";") if "=" in key)
            found[identifier] = (keys["CLNREVSTAT"], keys.get("CLNSIG", ""))
    return found


def test_the_notebook_counts_what_an_independent_count_finds(executed):
    notebook, out = executed
    old, new = map(read, sorted((out / "demo").glob("clinvar_*.vcf.gz")))
    summary = json.loads((out / "changes.json").read_text())
    changed = {name for name in old.keys() & new.keys() if old[name] != new[name]}
    counted = {"new": len(new.keys() - old.keys()), "gone": len(old.keys() - new.keys()), "changed": len(changed)}
    assert summary["changes"] == counted == {"new": 236, "gone": 0, "changed": 149}
    rows = (out / "changes.csv").read_text().splitlines()
    assert len(rows) - 1 == 385

    def conflicts(status):
        return "conflicting" in status[0]

    both = [(conflicts(old[name]), conflicts(new[name])) for name in old.keys() & new.keys()]
    told = summary["conflicts"]
    assert told["conflict appeared"] == both.count((False, True)) == 17
    assert (
        sum(number for name, number in told.items() if name.startswith("resolved")) == both.count((True, False)) == 14
    )
    assert told["conflict persists"] + told["conflict of another kind"] == both.count((True, True)) == 226
    text = "".join(str(cell.get("outputs", "")) for cell in notebook.cells)
    assert "conflict appeared 17;" in text and "conflict persists 226." in text
    assert (out / "release_changes.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"old": "a.vcf"}, "parameter new: is empty beside a.vcf; give both releases, or none for the sample"),
        ({"new": "b.vcf"}, "parameter old: is empty beside b.vcf"),
        ({"out": "in_the_way"}, "in_the_way/changes.csv: cannot write there, a file stands where a folder should"),
        ({"genes": 5}, "5: is no path; give a text"),
        ({"out": "/proc/none"}, "/proc/none/demo: cannot make this folder"),
    ],
)
def test_a_half_of_the_pair_is_no_sample_and_an_output_that_cannot_be_is_told_first(given, message, tmp_path):
    (tmp_path / "in_the_way").write_text("a file, no folder")
    with pytest.raises(papermill.PapermillExecutionError, match=f"InputError: .*{message}"):
        papermill.execute_notebook(
            ROOT / "notebooks" / "release_changes.ipynb", None, given, progress_bar=False, cwd=str(tmp_path)
        )
    assert [path.name for path in tmp_path.iterdir()] == ["in_the_way"]
