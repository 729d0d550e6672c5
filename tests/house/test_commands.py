"""Commands: all documented, all loadable, and the help quick and light."""

from __future__ import annotations

import importlib
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from curation.command_table import COMMANDS, GROUPS, Command

ROOT = Path(__file__).resolve().parent.parent.parent
HEAVY = ("torch", "transformers", "datasets", "scipy", "numba", "pyarrow", "pandas")
HELP_SECONDS = 0.4


def run(*code: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.path)
def test_a_command_loads_and_its_function_explains_itself(command: Command) -> None:
    module, _, name = command.target.partition(":")
    assert getattr(importlib.import_module(module), name).__doc__


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.path)
def test_a_command_is_documented(command: Command) -> None:
    assert f"## `curate {command.path}`" in (ROOT / "docs/commands.md").read_text()


def test_documented_commands_exist() -> None:
    documented = set(re.findall(r"^## `curate ([a-z -]+)`", (ROOT / "docs/commands.md").read_text(), re.MULTILINE))
    assert documented == {command.path for command in COMMANDS}


def test_the_command_reference_is_what_the_commands_say() -> None:
    """Regenerate with: python -m curation.command_reference > docs/commands.md."""
    from curation.command_reference import reference

    assert (ROOT / "docs/commands.md").read_text() == reference()


def test_every_group_of_the_table_has_its_line_of_help() -> None:
    assert {command.path.rpartition(" ")[0] for command in COMMANDS if " " in command.path} == set(GROUPS)


def test_help_imports_nothing_heavy() -> None:
    code = f"""
import sys
from curation.cli import main
try:
    main(["--help"])
except SystemExit:
    pass
print("LOADED", [name for name in {HEAVY!r} if name in sys.modules])
"""
    done = run("-c", code)
    assert "LOADED []" in done.stdout, done.stdout[-300:] + done.stderr[-300:]


def test_help_answers_at_once() -> None:
    """The best of several in processor seconds: start-up hardly waits, and other tests run beside this one."""
    best = 10.0
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run("-c", "from curation.cli import main; main(['--help'])")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert best < HELP_SECONDS


def readme_commands() -> list[str]:
    """Lines after `$ ` in README blocks marked `console`."""
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def test_the_readme_shows_commands_that_exist() -> None:
    paths = {command.path for command in COMMANDS}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in readme_commands():
        words = line.split()
        if words[0] == "make":
            assert words[1] in targets, line
        elif words[0].endswith("curate"):
            named = [word for word in words[1:3] if not word.startswith("-")]
            assert words[1].startswith("-") or named[0] in paths or " ".join(named) in paths, line
    assert len(readme_commands()) >= 5


@pytest.mark.slow
def test_the_readme_commands_run_in_their_order(tmp_path: Path) -> None:
    """Every `curate` line of the README, in an empty directory, as a reader would type them."""
    (tmp_path / "studies").symlink_to(ROOT / "studies")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for line in readme_commands():
        if line.startswith("curate "):
            done = subprocess.run(
                line, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{line}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}"
