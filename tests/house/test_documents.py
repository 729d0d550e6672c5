"""Documents: links lead somewhere, what ships is shipped, and the pins are complete."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])
LINK = re.compile(r"\[[^\]]+\]\((?!https?:|#|mailto:)([^)#\s]+)")
MADE_HERE = re.compile(
    r"(?<![\w/.-])((?:curation|filters|mixtures|train|leaderboard|tests|recipes|studies)/[\w./-]+\.\w+)"
)


def pins() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    listed = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in listed}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_and_every_file_a_document_names_is_there(document: Path) -> None:
    text = document.read_text()
    missing = [link for link in LINK.findall(text) if not (document.parent / link).exists()]
    named = [name for name in MADE_HERE.findall(text) if "*" not in name and not (ROOT / name).exists()]
    assert (missing, named) == ([], [])


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs/index.md").read_text()
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert {page for page in pages if f"({page})" not in index} == set()


def test_constraints_are_exact_pins_without_a_build_label() -> None:
    """A local label (`+cpu`) or a file address would tie the project to one machine."""
    wrong = [str(pin) for pin in pins().values() if not re.fullmatch(r"==[0-9a-z.]+", str(pin.specifier)) or pin.url]
    assert wrong == []


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    needs = [Requirement(text) for group in groups for text in group]
    return [need for need in needs if need.name != project["name"]]  # one extra asks for another


def needs_of(name: str, extras: frozenset[str]) -> Iterator[Requirement]:
    """Yield what an installed distribution needs on this Python; nothing for one that is not installed."""
    with contextlib.suppress(PackageNotFoundError):
        for need in map(Requirement, requires(name) or []):
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
                yield need


def test_everything_that_gets_installed_is_pinned() -> None:
    """Walk what the declared dependencies need, all the way; CUDA wheels pin their own `nvidia-` packages."""
    waiting = [(canonicalize_name(need.name), frozenset(need.extras)) for need in declared()]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        step = waiting.pop()
        if step not in seen:
            seen.add(step)
            waiting += [(canonicalize_name(need.name), frozenset(need.extras)) for need in needs_of(*step)]
    assert {name for name, _ in seen if not name.startswith("nvidia-")} - set(pins()) == set()


def test_a_wheel_carries_recipes_studies_tokenizers_and_templates(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="hatchling is needed to build a wheel here")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    files = [path for folder in ("recipes", "studies") for path in ROOT.glob(f"{folder}/**/*") if path.is_file()]
    shipped = [f"curation/bundled/{path.relative_to(ROOT)}" for path in files]
    data = [str(path.relative_to(ROOT)) for path in [*ROOT.glob("curation/data/**/*.*"), *ROOT.glob("*/templates/*")]]
    assert [name for name in [*shipped, *data] if name not in names] == []
    assert not [name for name in names if name.startswith(("tests/", "docs/", ".curate"))]
