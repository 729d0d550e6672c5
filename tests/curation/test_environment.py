"""The source `environment`: what is collected, what never, and that it is the same everywhere."""

from __future__ import annotations

import argparse
import ast
import inspect
import textwrap
from pathlib import Path, PurePosixPath
from types import ModuleType

import pytest

from curation.ingest import ensure_pool, known_pool
from curation.progress import SilentProgress
from curation.recipe import PoolSpec
from curation.sources import environment
from curation.sources.docstrings import module_docstrings, plain
from curation.sources.environment import collect_descriptions, environment_records, environment_versions, slice_of
from curation.sources.records import Rejected
from curation.store import Store


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("numpy/core/a.py", "code-python"),
        ("numpy/a.pyi", "code-python"),
        ("pyarrow/include/x.h", "code-cpp"),
        ("numba/a.pyx", "code-cpp"),
        ("a/README.md", "docs"),
        ("a/README", "docs"),
        ("a/docs/x.txt", "docs"),
        ("a/data/x.txt", None),
        ("a-1.0.dist-info/licenses/LICENSE.txt", "licences"),
        ("a/COPYING", "licences"),
        ("a/licenses.py", "code-python"),
        ("a/x.json", "configuration"),
        ("a/x.css", "web-assets"),
        ("a/x.so", None),
        ("a/__pycache__/x.py", None),
        ("_sysconfigdata__linux.py", None),
    ],
)
def test_a_files_slice_follows_from_its_name_and_place(path: str, name: str | None) -> None:
    assert slice_of(PurePosixPath(path)) == name


MODULE = '''#!/usr/bin/env python
# comment
"""Module: first line.

More of it, long enough to make a document worth having in the collection."""
X = """not a docstring"""
def f(x: int) -> dict[str, int]:
    # between
    r\'\'\'Return :class:`x` as \\d ``literal``.

    Title
    -----
        indented
    \'\'\'
    return {"a": 1}
class C:

    "One line."
    def g(self): pass
    async def h(
        self,
    ) -> None:
        """Say "hi" to "them"."""
'''


def docstrings_by_parsing(source: str) -> list[str]:
    """The slow twin: every docstring of the syntax tree, in order of its line."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    owners = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds) and ast.get_docstring(node)]
    owners.sort(key=lambda node: node.body[0].lineno)
    return [plain(ast.get_docstring(node) or "") for node in owners]


def test_docstrings_are_those_of_the_syntax_tree() -> None:
    assert module_docstrings(MODULE) == "\n\n".join(docstrings_by_parsing(MODULE))
    assert "Return x as \\d literal.\n\nTitle\n    indented" in module_docstrings(MODULE)


@pytest.mark.parametrize("module", [inspect, ast, argparse, textwrap])
def test_docstrings_of_real_modules_agree_with_the_syntax_tree(module: ModuleType) -> None:
    source = inspect.getsource(module)
    expected = "\n\n".join(filter(None, docstrings_by_parsing(source)))
    found = module_docstrings(source)
    assert abs(len(found) - len(expected)) <= 0.05 * max(len(expected), 100)


def test_a_module_with_little_to_say_gives_no_document() -> None:
    assert module_docstrings('"""Short."""\nx = 1\n') == ""


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "DISTRIBUTIONS", frozenset({"packaging", "pyyaml", "not-installed-anywhere"}))
    monkeypatch.setattr(environment, "TORCH_HEADERS", ("nothing/",))
    monkeypatch.setattr(environment, "_standard_library", lambda: environment._Origin(name="x", license=None, files=()))


@pytest.mark.usefixtures("few")
def test_records_say_their_distribution_and_a_path_without_this_machine() -> None:
    records = [record for record in environment_records(SilentProgress()) if not isinstance(record, Rejected)]
    assert {record["source"] for record in records} == {"packaging", "pyyaml"}
    assert {"code-python", "docs", "docstrings", "licences"} <= {record["slice"] for record in records}
    assert not any(record["path"].startswith(("/", "..")) or "__pycache__" in record["path"] for record in records)
    assert all(record["family"] == record["source"] for record in records)


@pytest.mark.usefixtures("few")
def test_what_an_installer_makes_is_left_out() -> None:
    paths = [record["path"] for record in environment_records(SilentProgress()) if not isinstance(record, Rejected)]
    names = {PurePosixPath(path).name for path in paths}
    assert not names & {"RECORD", "INSTALLER", "WHEEL", "direct_url.json", "REQUESTED", "entry_points.txt"}


@pytest.mark.usefixtures("few")
def test_the_environment_is_a_pool_found_again_by_versions_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, spec = Store.open(tmp_path), PoolSpec(source="environment", max_bytes=300_000)
    assert known_pool(store, spec) is None
    pool = ensure_pool(store, spec, workers=2, progress=SilentProgress())
    assert 150_000 < pool.summary["num_bytes"] <= 300_000  # type: ignore[operator]
    found = known_pool(store, spec)
    assert found is not None
    assert found.fingerprint == pool.fingerprint
    monkeypatch.setattr(environment, "COLLECTOR_VERSION", "other")
    assert known_pool(store, spec) is None


@pytest.mark.usefixtures("few")
def test_local_version_labels_do_not_count() -> None:
    assert not any("+" in version for version in environment_versions())


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"\xff", "invalid-utf8"), (b"a\0", "nul-byte"), (b"x" * 1_000_001, "too-long"), (b"x" * 20_001, "long-lines")],
)
def test_a_file_that_is_no_fit_text_is_counted_with_its_reason(data: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "f.py").write_bytes(data)
    assert environment._read(tmp_path / "f.py") == Rejected(reason)


def test_descriptions_are_collected_up_to_a_size_and_always_alike() -> None:
    texts = collect_descriptions(2_000_000)
    assert len(texts) > 20
    assert sum(len(text.encode()) for text in texts) <= 2_000_000
    assert collect_descriptions(2_000_000) == texts
