"""Walls that tools can hold: import direction, kernels in their own files, sizes, names, declared dependencies."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("curation", "filters", "mixtures", "train", "leaderboard")
LAYERS = {name: level for level, name in enumerate(PACKAGES)}
MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 60


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


@cache
def imports_of(path: Path) -> frozenset[str]:
    """Return the names that a file imports; several tests ask, and each file is parsed once for them."""
    return frozenset(imported(ast.parse(path.read_text())))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_its_own_layer_and_below(path: Path) -> None:
    level = LAYERS[path.relative_to(ROOT).parts[0]]
    tops = {name.partition(".")[0] for name in imports_of(path)}
    assert [top for top in tops if LAYERS.get(top, 0) > level] == []


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_what_it_is_for_and_keeps_to_one_idea(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    long = [
        f"{node.name} {node.end_lineno - node.lineno + 1}"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert ast.get_docstring(tree), "no module docstring"
    assert text.count("\n") <= MAX_MODULE_LINES, f"{text.count(chr(10))} lines"
    assert long == []


def test_the_layer_contract_holds() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_kernels_live_in_files_named_for_them(path: Path) -> None:
    """The compiled cache is keyed by these files; a kernel elsewhere could be served stale."""
    names = imports_of(path)
    if not path.name.endswith("_kernels.py"):
        assert not re.search(r"^@kernel", path.read_text(), re.MULTILINE)
    if path.relative_to(ROOT) != Path("curation/compiled.py"):
        assert "numba" not in names or path.name.endswith("_kernels.py")


def test_every_imported_distribution_is_declared() -> None:
    declared = (ROOT / "pyproject.toml").read_text().lower().replace("_", "-")
    owners = packages_distributions()
    missing = set()
    for path in modules():
        for name in imports_of(path):
            top = name.partition(".")[0]
            if top in sys.stdlib_module_names or top in PACKAGES:
                continue
            distributions = [owner.lower().replace("_", "-") for owner in owners.get(top, [top])]
            if not any(f'"{owner}' in declared for owner in distributions):
                missing.add(f"{top} ({path.relative_to(ROOT)})")
    assert missing == set()


def test_no_file_names_a_developers_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    texts = [p for p in listed if p.endswith((".py", ".md", ".toml", ".yaml", ".txt", "Makefile"))]
    homes = re.compile(r"(?<![\w.])/(?:home/\w+|root|Users/\w+)/")
    assert [path for path in texts if homes.search((ROOT / path).read_text(errors="replace"))] == []
