"""All kernels are compiled side by side, none before those it calls, and a fault names its module."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from curation.compiled import kernel_sources
from curation.warm import needs_by_module, weights

ROOT = Path(__file__).resolve().parent.parent.parent
HELPER = "from curation.compiled import kernel\n\n@kernel()\ndef helper(x):\n    return x + 1\n"
CALLER = (
    "from curation.compiled import kernel\nfrom curation.a_kernels import helper\n\n"
    '@kernel("{type}({type})")\ndef answer(x):\n    return helper(x) * 10\n'
)
ANSWERS = """
from curation import b_kernels, c_kernels
print(b_kernels.answer(1), c_kernels.answer(1.5))
print(sum(sum(module.answer.stats.cache_misses.values()) for module in (b_kernels, c_kernels)))
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small copy of the project whose kernels are two callers of one helper, for different types."""
    (tmp_path / "curation").mkdir()
    for name in ("__init__.py", "compiled.py", "warm.py"):
        shutil.copy(ROOT / "curation" / name, tmp_path / "curation" / name)
    (tmp_path / "curation/a_kernels.py").write_text(HELPER)
    (tmp_path / "curation/b_kernels.py").write_text(CALLER.format(type="int64"))
    (tmp_path / "curation/c_kernels.py").write_text(CALLER.format(type="float64"))
    return tmp_path


def python(checkout: Path, *code: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(checkout), "CURATE_CACHE": str(checkout / "cache")}
    return subprocess.run(
        [sys.executable, *code], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )


def test_what_was_warmed_is_compiled_by_no_later_process(checkout: Path) -> None:
    done = python(checkout, "-m", "curation.warm")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("kernels of 3 modules ready in ")
    assert done.stderr.count("\n") == 1
    assert python(checkout, "-c", ANSWERS).stdout.split() == ["20", "25.0", "0"]


def test_a_module_that_does_not_compile_is_named(checkout: Path) -> None:
    (checkout / "curation/c_kernels.py").write_text(CALLER.format(type="unicode_type"))
    done = python(checkout, "-m", "curation.warm")
    assert done.returncode == 1
    assert "the kernels of curation.c_kernels could not be compiled" in done.stderr


def test_a_module_is_more_urgent_than_any_that_waits_for_it() -> None:
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in kernel_sources()]
    needs = needs_by_module(modules)
    urgency = weights(needs)
    assert all(urgency[need] > urgency[module] for module in modules for need in needs[module])
    assert any(needs.values())


def save_ten(folder: str, worker: int) -> None:
    from curation.compiled import _numba

    _numba()
    from numba.core.caching import IndexDataCacheFile

    file = IndexDataCacheFile(folder, "helper", "source")
    for number in range(10):
        file.save((worker, number), f"{worker}-{number}")


def test_processes_that_save_versions_of_one_helper_keep_all_of_them_apart(tmp_path: Path) -> None:
    from curation.compiled import _numba

    _numba()
    from numba.core.caching import IndexDataCacheFile

    processes = [
        multiprocessing.get_context("fork").Process(target=save_ten, args=(str(tmp_path), worker))
        for worker in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    file = IndexDataCacheFile(str(tmp_path), "helper", "source")
    found = {(worker, number): file.load((worker, number)) for worker in range(4) for number in range(10)}
    assert found == {(worker, number): f"{worker}-{number}" for worker, number in found}
