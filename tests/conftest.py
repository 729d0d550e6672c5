"""What many tests share: a store of their own, the shared data when it is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from curation.store import Store

# The machine is shared: time is no property of the code. The same examples every run: a red test stays red.
settings.register_profile("curate", deadline=None, derandomize=True)
settings.load_profile("curate")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store.open(tmp_path / "store")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data; tests that need it skip without it."""
    folder = Path(os.environ.get("CURATE_SHARED", ROOT.parent / "shared"))
    if not (folder / "pool").is_dir():
        pytest.skip(f"no shared data at {folder}; set CURATE_SHARED to run this test")
    return folder
