"""Benchmarks: every script starts, none hides a library, and `make bench` runs what compares us with peers."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPTS = sorted(ROOT.glob("benchmarks/*.py"))


HELPS = """
import os, runpy, sys, traceback
from pathlib import Path

import numpy, pyarrow.parquet, torch  # what costs seconds, once for all scripts

out = Path(sys.argv[1])
for script in sys.argv[2:]:
    child = os.fork()
    if child == 0:
        told = os.open(out / Path(script).name, os.O_CREAT | os.O_WRONLY)
        os.dup2(told, 1), os.dup2(told, 2)
        sys.argv, sys.path[0] = [script, "--help"], str(Path(script).parent)
        code = 0
        try:
            runpy.run_path(script, run_name="__main__")
        except SystemExit as stop:
            code = 0 if stop.code is None else stop.code if isinstance(stop.code, int) else 1
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        os._exit(code)
    (out / f"{Path(script).name}.code").write_text(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
"""


@pytest.fixture(scope="module")
def helps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What each script says to `--help`, and its exit code: each in a process forked from one that has torch."""
    out = tmp_path_factory.mktemp("helps")
    subprocess.run([sys.executable, "-c", HELPS, str(out), *map(str, SCRIPTS)], check=True)
    return out


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_benchmark_loads_everything_it_names_and_explains_itself(script: Path, helps: Path) -> None:
    told = (helps / script.name).read_text()
    assert (helps / f"{script.name}.code").read_text() == "0", told
    assert "usage:" in told


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_no_benchmark_is_called_like_a_library(script: Path) -> None:
    """A script's folder comes first on its path, so `fasttext.py` would be what `import fasttext` finds."""
    found = None if script.stem == "filters" else importlib.util.find_spec(script.stem)
    assert found is None or found.origin == str(script)  # itself, where another test put the folder on the path


def test_make_bench_runs_the_benchmark_of_the_filters() -> None:
    target = (ROOT / "Makefile").read_text().partition("\nbench:")[2].partition("\n\n")[0]
    assert "benchmarks/filters.py" in target
