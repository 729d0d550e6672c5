"""Plugins: a package of somebody else, installed and used by the command; a broken one stops only who names it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from curation.errors import PluginError, RecipeError
from curation.plugins_command import plugin_rows
from filters.base import find_filter
from filters.catalogue import catalogue

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = ROOT / "tests" / "plugin_example"
Curate = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the example package."""
    pytest.importorskip("hatchling", reason="hatchling is needed to build the example package")
    target = tmp_path_factory.mktemp("site")
    options = [
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        "--disable-pip-version-check",
        "--target",
        str(target),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", *options, str(EXAMPLE)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "No module named pip" in done.stderr:
        pytest.skip("this Python has no pip to install the example package with")
    assert done.returncode == 0, done.stderr
    return target


def write_broken(folder: Path, line: str = "sad = sad_package:Filter", group: str = "curate.filters") -> Path:
    """Write a distribution whose entry point cannot be imported."""
    info = folder / "sad_package-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sad-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{line}\n")
    (folder / "sad_package.py").write_text("raise RuntimeError('no licence key')\n")
    return folder


@pytest.fixture(scope="module")
def curate(tmp_path_factory: pytest.TempPathFactory) -> Curate:
    home = tmp_path_factory.mktemp("home")

    def run(*words: str, path: tuple[Path, ...] = ()) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (*path, ROOT))),
            "CURATE_STORE": str(home / "store"),
        }
        code = "import sys; from curation.cli import main; main(sys.argv[1:])"
        command = [sys.executable, "-c", code, *words]
        return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty families: plain text, text in capitals and tables of numbers, by turns; and a recipe without dedup."""
    rows = []
    for i in range(60):
        draw = random.Random(i)
        words = " ".join("".join(draw.choices("abcdefgh", k=draw.randint(2, 8))) for _ in range(40))
        digits = " ".join(str(draw.randint(1, 10**6)) for _ in range(40))
        text = (words, words.upper(), digits)[i % 3]
        rows.append({"id": str(i), "text": text, "url": f"https://site{i}.com/", "slice": "web"})
    folder = tmp_path_factory.mktemp("pool")
    (folder / "docs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "recipe.yaml").write_text(f"{{name: small, pool: {folder / 'docs.jsonl'}, stages: []}}")
    return folder / "recipe.yaml"


def dropped(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    steps = {step["step"]: step for step in json.loads(done.stdout)["funnel"]}
    (step,) = (step for name, step in steps.items() if name.startswith("filter: "))
    return {reason: counts["docs"] for reason, counts in step["reasons"].items()}


@pytest.mark.parametrize(
    ("name", "settings", "reasons"),
    [
        ("no-shouting", (), {"shouting"}),
        ("no-shouting", ("stages.filter.max_fraction=1",), set()),
        ("no-digits", (), {"too-many-digits"}),
        ("no-digits/example", (), {"too-many-digits"}),
    ],
)
def test_an_installed_package_filters_a_build(
    name: str, settings: tuple[str, ...], reasons: set[str], site: Path, curate: Curate, pool: Path
) -> None:
    options = [word for setting in settings for word in ("--set", setting)]
    counts = dropped(curate("build", str(pool), "--filter", name, *options, "--json", path=(site,)))
    assert set(counts) == reasons
    assert all(5 <= count <= 20 for count in counts.values())  # a third of sixty, less what panel and reference took


def test_an_installed_package_rewrites_text_in_a_build(site: Path, curate: Curate, pool: Path) -> None:
    stages = "stages=[{modify: no-hashtags, marker: a}]"
    done = curate("build", str(pool), "--set", stages, "--json", path=(site,))
    assert done.returncode == 0, done.stderr
    (step,) = (step for step in json.loads(done.stdout)["funnel"] if step["step"] == "modify: no-hashtags")
    assert 5 <= step["changed"]["docs"] <= 20  # words in small letters, as above
    assert step["changed"]["removed_bytes"] == step["bytes_in"] - step["bytes_out"] > 0


def test_the_list_says_which_package_a_filter_comes_from(site: Path, curate: Curate) -> None:
    found = json.loads(curate("filters", "list", "--json", path=(site,)).stdout)
    origins = {item["name"]: item["origin"] for kind in found.values() for item in kind}
    ours = {"no-shouting", "no-digits", "no-digits/example", "example-digits", "no-hashtags"}
    assert {name for name, origin in origins.items() if origin == "curate-example 0.1.0"} == ours
    assert origins["quality_v3"] == "curate"


def test_plugins_are_listed_with_their_kind(site: Path, curate: Curate) -> None:
    rows = json.loads(curate("plugins", "--json", path=(site,)).stdout)["plugins"]
    assert {(row["kind"], row["name"], row["status"]) for row in rows} == {
        ("filters", "no-shouting", "ok"),
        ("filters", "no-digits", "ok"),
        ("modifiers", "no-hashtags", "ok"),
        ("signal-sets", "example-digits", "ok"),
        ("rule-sets", "no-digits/example", "ok"),
    }


def test_using_a_broken_plugin_is_one_error_that_names_its_package(tmp_path: Path, curate: Curate, pool: Path) -> None:
    broken = write_broken(tmp_path / "broken")
    done = curate("build", str(pool), "--filter", "sad", path=(broken,))
    assert done.returncode == 2
    assert "sad-package 1.0" in done.stderr
    assert "no licence key" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_plugin_breaks_no_other_command(tmp_path: Path, curate: Curate, pool: Path) -> None:
    broken = write_broken(tmp_path / "broken")
    setting = "stages.filter.min_words=5"
    done = curate("build", str(pool), "--filter", "word-count", "--set", setting, "--json", path=(broken,))
    assert dropped(done) == {}
    done = curate("filters", "list", "--json", path=(broken,))
    assert done.returncode == 0, done.stderr
    entries = {item["name"]: item for item in json.loads(done.stdout)["filters"]}
    assert "no licence key" in entries["sad"]["broken"]
    assert entries["quality_v2"]["broken"] is None


@pytest.mark.parametrize(
    ("line", "group", "said"),
    [
        ("quality_v2 = sad_package:X", "curate.filters", "no effect: the name is curate's own"),
        ("sad = sad_package:X", "curate.filter", "did you mean `curate.filters`"),
        ("sad = math:pi", "curate.stages", "ok"),
    ],
)
def test_the_list_of_plugins_says_what_has_no_effect(
    line: str, group: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(write_broken(tmp_path / "broken", line, group)))
    (row,) = (row for row in plugin_rows() if row.package == "sad-package 1.0")
    assert said in row.status


@pytest.mark.parametrize("group", ["curate.filters", "curate.modifiers", "curate.signal-sets", "curate.rule-sets"])
def test_a_plugin_of_the_wrong_type_is_marked_as_broken(
    group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(write_broken(tmp_path / "broken", "sad-thing = math:pi", group)))
    (entry,) = (item for items in catalogue().values() for item in items if item.name == "sad-thing")
    assert entry.broken
    assert "sad-package 1.0" in entry.broken


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("class X(:\n", r"SyntaxError: .*, line 1"),
        ("\nraise ValueError('no config')\n", "ValueError: no config, .*line 2"),
    ],
)
def test_a_module_that_fails_when_imported_is_one_error_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, said: str
) -> None:
    (tmp_path / "broken_one.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    sys.modules.pop("broken_one", None)
    with pytest.raises(PluginError, match=said):
        find_filter("broken_one:X", "here")


def test_a_misspelt_scheme_offers_the_right_one() -> None:
    with pytest.raises(RecipeError, match="did you mean `fasttext:`"):
        find_filter("fasttxt:my.bin?keep=0.1", "here")
