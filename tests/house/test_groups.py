"""Tests that share a set-up run in one process, so that it is made once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SHARED = """
import os, time
from pathlib import Path
import pytest

@pytest.fixture(scope="module")
def story():
    Path(f"story-{os.getpid()}").touch()

@pytest.mark.parametrize("number", range(4))
def test_of_a_story(story, number):
    time.sleep(0.2)

@pytest.mark.xdist_group("named")
@pytest.mark.parametrize("number", range(4))
def test_of_a_group(number):
    Path(f"group-{os.getpid()}").touch()
    time.sleep(0.2)
"""


def test_two_processes_make_the_set_up_of_a_module_and_of_a_group_once(tmp_path: Path) -> None:
    conftest = Path(__file__).resolve().parents[1] / "conftest.py"
    (tmp_path / "conftest.py").write_text(conftest.read_text())
    (tmp_path / "test_shared.py").write_text(SHARED)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "--rootdir", "."]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    paths = os.pathsep.join([str(conftest.parents[1]), environment.get("PYTHONPATH", "")])
    done = subprocess.run(
        command, cwd=tmp_path, env={**environment, "PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert "8 passed" in done.stdout, done.stdout + done.stderr
    assert len(list(tmp_path.glob("story-*"))) == 1
    assert len(list(tmp_path.glob("group-*"))) == 1
