"""The notebook instance's wheelhouse is resolved for that instance, whoever deploys."""

from __future__ import annotations

import pytest
from packaging.tags import cpython_tags
from packaging.utils import canonicalize_name
from places import ROOT

from genomicslearning.deploy import DeployFailed, wheelhouse

LOCK = (ROOT / "requirements/aws.txt").read_text()
SMALL = """\
numpy==2.4.6 ; python_full_version < '3.12' and sys_platform == 'linux' \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via genomicslearning
numpy==2.5.5 ; python_full_version >= '3.12' and sys_platform == 'linux' \\
    --hash=sha256:cc
appnope==0.1.4 ; sys_platform == 'darwin' \\
    --hash=sha256:dd
six==1.17.0 \\
    --hash=sha256:ee
"""


def test_markers_are_those_of_the_notebook_instance():
    assert wheelhouse.resolved(SMALL) == "numpy==2.5.5 --hash=sha256:cc\nsix==1.17.0 --hash=sha256:ee\n"


def test_the_lock_has_one_version_of_each_package_for_it():
    lines = wheelhouse.resolved(LOCK).splitlines()
    names = [canonicalize_name(line.partition("==")[0]) for line in lines]
    assert len(names) == len(set(names)) > 100
    assert all(" --hash=sha256:" in line and ";" not in line for line in lines)
    # What the two numpys of the lock are for, by its own markers.
    assert [line.partition(" ")[0] for line in lines if line.startswith("numpy==")] == [
        line.partition(" ")[0] for line in LOCK.splitlines() if line.startswith("numpy==") and ">= '3.12'" in line
    ]


def test_its_key_follows_its_contents_and_its_target(monkeypatch):
    before = wheelhouse.key(wheelhouse.resolved(SMALL))
    elsewhere = SMALL.replace("numpy==2.4.6", "numpy==2.4.7").replace("appnope==0.1.4", "appnope==0.1.5")
    assert wheelhouse.key(wheelhouse.resolved(elsewhere)) == before  # nothing of it reaches the instance
    for changed in (SMALL.replace("numpy==2.5.5", "numpy==2.5.6"), SMALL.replace("sha256:ee", "sha256:ff")):
        assert wheelhouse.key(wheelhouse.resolved(changed)) != before
    monkeypatch.setattr(wheelhouse, "NOTEBOOK_PYTHON", "3.13")
    assert wheelhouse.key(wheelhouse.resolved(SMALL)) != before


def test_pip_decides_nothing(monkeypatch, tmp_path):
    """The resolved lines have no markers, and what they need is in them."""
    called = []
    monkeypatch.setattr(wheelhouse, "run_pip", lambda command, what: called.append(command))
    wheelhouse.download(wheelhouse.resolved(SMALL), tmp_path, lambda text: None)
    [command] = called
    assert {"--no-deps", "--require-hashes", "--only-binary"} <= set(command)
    assert command[command.index("--python-version") + 1] == "3.12"
    assert (tmp_path / "requirements.txt").read_text() == wheelhouse.resolved(SMALL)


def test_platforms_are_those_of_amazon_linux_2023():
    """glibc 2.34, by its release notes; pip knows these tags for it."""
    known = {tag.platform for tag in cpython_tags((3, 12), platforms=[f"{p}_x86_64" for p in wheelhouse.PLATFORMS])}
    assert "manylinux_2_34_x86_64" in known and not any("_2_35" in platform for platform in known)


@pytest.mark.parametrize(
    ("lock", "message"),
    [
        ("six==1.17.0 --hash=sha256:a\nsix==1.16.0 --hash=sha256:b\n", "the lock names six twice for Python 3.12"),
        ("not a requirement ; --hash=sha256:a\n", "a line that is no requirement: not a requirement"),
    ],
)
def test_a_lock_that_cannot_be_resolved_is_refused(lock, message):
    with pytest.raises(DeployFailed, match=message):
        wheelhouse.resolved(lock)
