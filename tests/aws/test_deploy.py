"""`genomicslearning deploy`, `status` and `teardown` against the emulated account."""

from __future__ import annotations

import pytest


@pytest.fixture
def settings():
    from genomicslearning.deploy import Settings

    return Settings(region="eu-west-1", project="Probe")


def test_try(account, source_tree, settings, monkeypatch):
    from genomicslearning import deploy

    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(account.folder / "wheels"))
    out = deploy.deploy(account.session(), settings, source_folder=source_tree, progress=print)
    print(out)
    print(deploy.status(account.session(), "Probe"))
    print(deploy.teardown(account.session(), settings, print))
