"""What many tests share: a store of their own, the shared data and the devices when they are there."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from curation.store import Store

if TYPE_CHECKING:
    from slurm_single_node import SlurmCluster

# The machine is shared: time is no property of the code. The same examples every run: a red test stays red.
settings.register_profile("curate", deadline=None, derandomize=True)
settings.load_profile("curate")

os.environ.pop("COLUMNS", None)  # what a test reads does not depend on the terminal that it was started from

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "clusters"))  # the scripts that start clusters


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip, with the reason, what this machine lacks; torch is asked only when a test needs a device.

    Under `--dist loadgroup` tests that share a set-up go to one process, which then makes it once.
    """
    if config.getoption("loadgroup", False):
        for item in items:
            _name_group(item)
    lacking = {"browser": _no_browser, "gpu": _no_gpu}
    for marker, reason_of in lacking.items():
        marked = [item for item in items if item.get_closest_marker(marker)]
        reason = reason_of() if marked else None
        for item in marked if reason else []:
            item.add_marker(pytest.mark.skip(reason=reason or ""))


def _name_group(item: pytest.Item) -> None:
    """End the test's id by `@` and its group: the one marked, else its file where it uses a fixture of module scope.

    That suffix is what pytest-xdist distributes by. Its 3.8 writes it where pytest 9.2 no longer reads it.
    """
    marker = item.get_closest_marker("xdist_group")
    fixtures = item._fixtureinfo.name2fixturedefs.values() if isinstance(item, pytest.Function) else ()
    shares = any(found[-1].scope == "module" for found in fixtures)
    group = marker.args[0] if marker else item.nodeid.partition("::")[0] if shares else None
    if group is not None and not item.nodeid.endswith(f"@{group}"):
        item._id = type(item._id).parse(f"{item.nodeid}@{group}")


def _no_browser() -> str | None:
    return None if shutil.which("chromium") else "no `chromium` on PATH; install the package to run this test"


def _no_gpu() -> str | None:
    import torch

    return None if torch.cuda.is_available() else "torch sees no CUDA device"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store.open(tmp_path / "store")


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether to read as many documents as the docs state (`make test-full`), or an even sample of them."""
    return os.environ.get("CURATE_FULL") == "1"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data; tests that need it skip without it."""
    folder = Path(os.environ.get("CURATE_SHARED", ROOT.parent / "shared"))
    if not (folder / "pool").is_dir():
        pytest.skip(f"no shared data at {folder}; set CURATE_SHARED to run this test")
    return folder


@pytest.fixture(scope="session")
def running_slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """A real Slurm of one node for all tests of the session; see `slurm`."""
    from slurm_single_node import missing, slurm_cluster

    reason = missing()
    if reason is not None:
        pytest.skip(f"no Slurm here: {reason}")
    with slurm_cluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture
def slurm(running_slurm: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmCluster]:
    """A real Slurm of one node that `sbatch` and its kin reach; what the test leaves queued is cancelled."""
    for name, value in running_slurm.environment.items():
        monkeypatch.setenv(name, value)
    yield running_slurm
    running_slurm.cancel_all()
