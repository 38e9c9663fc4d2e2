"""Outputs never destroy: not an input under another name, nothing but plain files; what killed runs left goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from genomicslearning import InputError
from genomicslearning.io import lake, text


def written(path, content="new"):
    with lake.output(path) as [part]:
        part.write_text(content)


@pytest.mark.parametrize("way", ["same", "spelling", "symlink", "hard link", "folder link", "symlinked input"])
def test_an_output_that_is_an_input_is_refused(tmp_path, monkeypatch, way):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    source = tmp_path / "a" / "in.csv"
    source.write_text("precious")
    (tmp_path / "link").symlink_to(source)
    (tmp_path / "folder").symlink_to(tmp_path / "a")
    os.link(source, tmp_path / "hard")
    out, read = {
        "same": (source, source),
        "spelling": ("a/../a/./in.csv", source),
        "symlink": ("link", source),
        "hard link": ("hard", source),
        "folder link": ("folder/in.csv", "a/in.csv"),
        "symlinked input": (source, "link"),
    }[way]
    with pytest.raises(InputError, match="is the input"), lake.output(f"{tmp_path}/other", out, inputs=[read]):
        pass
    assert source.read_text() == "precious"
    assert not (tmp_path / "other").exists()


def test_a_part_of_an_input_folder_is_an_input(tmp_path):
    (tmp_path / "t.parquet").mkdir()
    part = tmp_path / "t.parquet" / "part-0.parquet"
    part.write_text("precious")
    with pytest.raises(InputError, match="is the input"), lake.output(part, inputs=[tmp_path / "t.parquet"]):
        pass
    assert part.read_text() == "precious"


def test_s3_addresses_are_compared_by_key():
    with pytest.raises(InputError, match="is the input"):
        lake.check_outputs(["s3://lake//a/t.csv"], ["s3://lake/a/t.csv"])
    lake.check_outputs(["s3://lake/a/t.csv"], ["s3://lake/b/t.csv", "a/t.csv"])


def test_two_outputs_are_never_one_file(tmp_path):
    (tmp_path / "t.csv").write_text("")
    (tmp_path / "t.csv.report.json").symlink_to(tmp_path / "t.csv")
    with pytest.raises(InputError, match="another output"):
        lake.check_outputs([tmp_path / "t.csv", tmp_path / "t.csv.report.json"])


def test_only_plain_files_are_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, why in (("/dev/null", "no plain file"), (tmp_path / "pipe", "no plain file"), (tmp_path, "is a folder")):
        with pytest.raises(InputError, match=why), lake.output(path):
            pass
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(InputError, match="cannot write there"), lake.output(loop):
        pass


def test_a_link_is_followed_and_the_mode_kept(tmp_path):
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "t.csv"
    target.write_text("old")
    target.chmod(0o640)
    link = tmp_path / "t.csv"
    link.symlink_to(target)
    written(link)
    assert link.is_symlink() and target.read_text() == "new" and target.stat().st_mode & 0o777 == 0o640
    (tmp_path / "dangling").symlink_to(tmp_path / "real" / "later.csv")
    written(tmp_path / "dangling")
    assert (tmp_path / "real" / "later.csv").read_text() == "new"


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    waiting = (
        "import sys, time\nfrom genomicslearning.io import lake\n"
        "with lake.output(sys.argv[1]) as [part]:\n"
        "    part.write_text('half'); print('ready', flush=True); time.sleep(600)\n"
    )
    out = tmp_path / "t.csv"
    process = subprocess.Popen([sys.executable, "-c", waiting, out], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    [left] = tmp_path.iterdir()
    written(out, "another's")  # while it lives, its part stays
    assert {path.name for path in tmp_path.iterdir()} == {left.name, "t.csv"}
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert left.exists()
    written(out)
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
    assert out.read_text() == "new"


def test_names_of_255_bytes_work_and_longer_ones_are_refused(tmp_path):
    written(tmp_path / ("x" * 255))
    assert (tmp_path / ("x" * 255)).read_text() == "new"
    for name in ("x" * 256, "é" * 128):
        with pytest.raises(InputError, match="File name too long|too long"):
            written(tmp_path / name)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("name", "why"), [("a\0b.csv", "NUL"), ("a\udcff.csv", "not UTF-8")])
def test_names_that_no_file_has(tmp_path, name, why):
    with pytest.raises(InputError, match=why):
        lake.open_input(f"{tmp_path}/{name}")
    with pytest.raises(InputError, match=why):
        written(f"{tmp_path}/{name}")


def test_a_full_disk_is_one_line(tmp_path):
    out = tmp_path / "t.csv"
    out.write_text("old")
    with pytest.raises(InputError, match="No space left on device; nothing was written"), lake.output(out) as [part]:
        part.write_text("half")
        with open("/dev/full", "w") as full:
            full.write("x")
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"7", b"\xff", b"[" * 100_000, b'{"a": NaN', b"null"])
def test_damaged_json_is_one_line(tmp_path, content):
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="no record") as caught:
        lake.read_json(path, "record")
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_json_is_written_whole_and_reads_back(tmp_path):
    content = {"name": "é", "odd": "\udcff", "n": [1, 2.5, None]}
    lake.write_json(content, tmp_path / "a.json")
    assert lake.read_json(tmp_path / "a.json", "record") == content
    with pytest.raises(TypeError):
        lake.write_json({"x": object()}, tmp_path / "a.json")
    assert lake.read_json(tmp_path / "a.json", "record") == content


def test_a_pipe_is_read_as_a_file(tmp_path):
    read, write = os.pipe()
    os.write(write, b"CHROM\n")
    os.close(write)
    path = f"/dev/fd/{read}"
    assert lake.is_stream(path) and lake.exists(path) and lake.size(path) == 0
    with lake.open_input(path) as file:
        assert file.read() == b"CHROM\n"
    os.close(read)
    assert not lake.is_stream(tmp_path) and not lake.is_stream(tmp_path / "none")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("two\nlines\ttab\r", r"two\nlines\ttab"),
        ("right \u202eleft", r"right \u202eleft"),
        ("\x9b2J", r"\x9b2J"),
        ("\udcff", r"\udcff"),
        ("Sjögren – 東京", "Sjögren – 東京"),
    ],
)
def test_control_characters_are_shown_escaped(given, shown):
    assert text.one_line(given) == shown


def test_a_very_long_message_loses_its_middle():
    shown = text.one_line("a" * 5_000_000 + "b")
    assert len(shown) < 2100 and shown.startswith("aaa") and shown.endswith("ab") and " … " in shown


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-", "@x", "\t=1", "\rx", "'=1", "''-2", "'quoted'", "G", "", "＝1"])
def test_a_formula_is_escaped_and_reads_back(cell):
    safe = text.formula_safe(cell)
    assert text.formula_read(safe) == cell
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r", "＝"))
    assert (safe == cell) is (cell in ("'quoted'", "G", ""))


def test_part_folders_do_not_outlive_a_failed_block(tmp_path):
    with pytest.raises(KeyboardInterrupt), lake.output(tmp_path / "new" / "t.csv") as [part]:
        part.write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_must_not_be_written_is_refused_before_any_work(tmp_path, monkeypatch):
    locked = tmp_path / "locked"
    locked.mkdir()
    # Root may write anywhere, and tests are often root's.
    may = os.access
    monkeypatch.setattr(lake.os, "access", lambda path, mode: path != locked and may(path, mode))
    for out in (locked / "t.csv", locked / "made" / "deep" / "t.csv"):
        with pytest.raises(
            InputError, match=r"t\.csv: cannot write in its folder \(Permission denied\); choose another"
        ):
            lake.check_outputs([out])
    lake.check_outputs([tmp_path / "t.csv", tmp_path / "made" / "t.csv"])
    assert [path.name for path in tmp_path.rglob("*")] == ["locked"], "nothing was made"
