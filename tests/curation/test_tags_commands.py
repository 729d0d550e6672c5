"""`curate tags` and recipes that use a model: what is printed and written, refusals, mixtures by tag."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from curation.cli import main

TOPICS = {
    "cooking": "oven butter flour recipe simmer garlic onion saucepan whisk dough",
    "sailing": "harbour anchor mast rudder windward regatta keel spinnaker tiller buoy",
}
SMALL = ("--set", "dims=8", "--set", "buckets=4096", "--set", "starts=2")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def curate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main([*map(str, arguments)])
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    draw = random.Random(1)
    path = tmp_path / "docs.jsonl"
    rows = [
        {"text": " ".join(draw.choices(words.split(), k=60)), "topic": name, "url": f"https://{name}{number}.example/a"}
        for name, words in TOPICS.items()
        for number in range(60)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def model(curate: Run, docs: Path, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    out, place = tmp_path / "m.tags", ("--store", tmp_path / "store", "-q")
    code, stdout, stderr = curate(
        "tags", "fit", docs, "--clusters", 2, "--out", out, *SMALL, *place, "--against", "meta.topic", "--json"
    )
    assert code == 0, stderr
    return out, json.loads(stdout)


def test_fit_show_and_apply_tell_the_same_story(model: tuple[Path, dict[str, Any]], curate: Run, docs: Path) -> None:
    path, fitted = model
    assert fitted["measures"]["against"]["ari"] == 1.0
    assert json.loads(curate("tags", "show", path, "--json")[1]) == fitted
    out = path.with_name("tags.parquet")
    place = ("--store", path.with_name("store"), "-q")
    sliced = ("--set", "pool.slice=topic", "--against", "slice")
    code, stdout, stderr = curate("tags", "apply", path, docs, "--out", out, *place, *sliced, "--json")
    assert code == 0, stderr
    value = json.loads(stdout)
    names = [cluster["name"] for cluster in fitted["clusters"]]
    assert {name: counts["docs"] for name, counts in value["tags"].items()} == dict.fromkeys(names, 60)
    assert value["against"]["ari"] == 1.0
    table = pq.read_table(out)
    assert table.column_names == ["id", "slice", "tag", "confidence"]
    assert set(table["tag"].to_pylist()) == set(names)
    first = out.read_bytes()
    assert curate("tags", "apply", f"kmeans:{path}", docs, "--out", out, *place, *sliced[:2], "--workers", 2)[0] == 0
    assert out.read_bytes() == first


def test_a_dry_run_writes_nothing_and_a_foreign_file_is_not_overwritten(
    model: tuple[Path, dict[str, Any]], curate: Run, docs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new"
    place = ("--store", out, "--json", "-q")
    fit = ("tags", "fit", docs, "--clusters", 3, *place)
    code, stdout, _ = curate(*fit, "--out", out / "m.tags", "--dry-run")
    assert (code, json.loads(stdout)["settings"]["clusters"]) == (0, 3)
    code, stdout, _ = curate("tags", "apply", model[0], docs, *place, "--out", out / "t.parquet", "--dry-run")
    assert (code, sorted(json.loads(stdout)["tags"])) == (0, sorted(item["name"] for item in model[1]["clusters"]))
    assert not out.exists()
    code, _, stderr = curate(*fit, "--out", docs)
    assert code == 2
    assert "exists and is no tag model" in " ".join(stderr.split())


def test_a_corpus_is_mixed_by_tags_and_an_unknown_tag_is_refused(
    model: tuple[Path, dict[str, Any]], curate: Run, docs: Path, tmp_path: Path
) -> None:
    path, fitted = model
    first, second = (cluster["name"] for cluster in fitted["clusters"])
    recipe = tmp_path / "r.yaml"
    text = (
        f"name: tagged\npool: {{path: {docs}, tagger: 'kmeans:{path}'}}\npanel: {{reference_fraction: 0}}\n"
        f"mix: {{weights: {{{first}: 0.8, NAME: 0.2}}}}\n"
    )
    recipe.write_text(text.replace("NAME", second))
    place = ("--store", tmp_path / "store", "-q", "--json")
    code, stdout, stderr = curate("build", recipe, "--out", tmp_path / "corpus", *place)
    assert code == 0, stderr
    assert sorted(json.loads(stdout)["summary"]["slices"]) == sorted([first, second])
    written = (
        (tmp_path / "corpus" / "recipe.json").read_text() if (tmp_path / "corpus" / "recipe.json").is_file() else ""
    )
    assert str(path) not in written + (tmp_path / "corpus" / "manifest.json").read_text()
    recipe.write_text(text.replace("NAME", "poetry"))
    code, _, stderr = curate("build", recipe, *place)
    assert code == 2
    assert "poetry" in stderr
