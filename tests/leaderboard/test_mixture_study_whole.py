"""A mixture study from untagged text to its comparison: tags, trainings, tasks, table, JSON and heat map.

One study of four runs is shared by all tests of the file. Differences are recomputed here from scored items.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import re
from pathlib import Path
from statistics import fmean
from typing import Any

import pyarrow.parquet as pq
import pytest

from curation.cli import main
from curation.randomness import generator

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
ROOT = Path(__file__).resolve().parents[2]
TOPICS = {
    "kitchen": "salt pepper onion butter oven simmer knead dough whisk ladle",
    "harbour": "anchor sail rope tide hull mast buoy keel rudder deck",
}
TASKS = {"plates": ("knowledge", "kitchen"), "pots": ("knowledge", "kitchen"), "ships": ("reasoning", "harbour")}
DOCS = {"kitchen": 160, "harbour": 50}
TIER = "pico-0.01x"


def run(folder: Path, *words: object, store: bool = True) -> str:
    """Return what a command prints; any exit code but 0 fails."""
    out = io.StringIO()
    given = [*map(str, words), *(["--store", str(folder / "store")] if store else [])]
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as ended:
        main(given)
    assert not ended.value.code, given
    return out.getvalue()


def sentences(topic: str, number: int, num_words: int) -> str:
    """Return words of a topic, drawn by its number."""
    return " ".join(generator(number, topic).choice(TOPICS[topic].split(), num_words).tolist())


def write_inputs(folder: Path) -> None:
    """Write a pool that names no slices, and a suite of three tasks in two families."""
    docs = [
        {"id": f"{topic}-{n}", "text": sentences(topic, n, 200)}
        for topic, number in DOCS.items()
        for n in range(number)
    ]
    (folder / "docs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in docs))
    for task, (_, topic) in TASKS.items():
        items = [
            {"query": sentences(topic, 900 + n, 6), "choices": [sentences(topic, 950 + n, 3), "nothing"], "gold": 0}
            for n in range(8)
        ]
        (folder / f"{task}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in items))
    suite = {
        "name": "two",
        "version": 1,
        "defaults": {"kind": "mc", "layout": "cloze", "primary": "bits_per_byte_corr", "accuracy": "acc_raw"},
        "tasks": {
            name: {"family": family, "data": f"{name}.jsonl", "baselines": {"v1": 50}}
            for name, (family, _) in TASKS.items()
        },
    }
    (folder / "suite.yaml").write_text(json.dumps(suite))


def study_of(folder: Path, large: str, small: str) -> dict[str, Any]:
    """Return a study of natural against uniform weights: two arms, the smaller tag gets what the larger gives."""
    base = {"name": "as-it-is", "tokenizer": "ladder-pico@1", "pool": "environment", "stages": [{"dedup": "exact"}]}
    (folder / "base.yaml").write_text(json.dumps(base))
    return {
        "name": "evened",
        "hypothesis": "more of one tag lowers bits per byte on it",
        "kind": "mixture",
        "base": "base.yaml",
        "pool": {"path": str(folder / "docs.jsonl"), "id": "id", "tagger": f"kmeans:{folder / 'topics.tags'}"},
        "vary": {"even": {"mix": "uniform"}},
        "panel": {"bytes_per_slice": 8000, "max_doc_bytes": 2048},
        "tiers": {TIER: 2},
        "epochs": 4,
        "protect": [small],
        "trade": {large: 0.5},
        "selected_for": [large],
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished study whose slices are tags; all its runs are scored on the suite."""
    found = tmp_path_factory.mktemp("mixture")
    write_inputs(found)
    settings = ["--set", "dims=4", "--set", "starts=2", "--set", "buckets=1024"]
    run(found, "tags", "fit", found / "docs.jsonl", "--clusters", 2, "--out", found / "topics.tags", "-q", *settings)
    (found / "study.yaml").write_text(json.dumps(study_of(found, *tags_of(found))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        run(found, "study", "run", found / "study.yaml", "--workers", 1, "-q")
        for path in sorted((found / "store").glob("run-*")):
            run(found, "eval", path.name, "--suite", found / "suite.yaml", "-q")
    return found


def tags_of(folder: Path) -> tuple[str, str]:
    """Return the names of the two tags, the larger first."""
    first, second = json.loads(run(folder, "tags", "show", folder / "topics.tags", "--json", store=False))["clusters"]
    return first["name"], second["name"]


def study(folder: Path) -> Path:
    """Return the study's directory."""
    return next((folder / "store").glob("study-*"))


def listing(folder: Path) -> list[tuple[str, int, int]]:
    """Return everything in the store with its size and the time of its last change."""
    found = sorted((folder / "store").rglob("*"))
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in found]


def compared(folder: Path) -> dict[str, Any]:
    """Return the JSON of the arm against the baseline."""
    (told,) = json.loads(run(folder, "compare", study(folder), "--json"))["comparisons"]
    assert (told["arm"], told["against"]) == ("even", "baseline")
    return dict(told)


def runs_of(folder: Path, arm: str) -> list[str]:
    """Return the fingerprints of an arm's runs by seed."""
    listed = json.loads((study(folder) / "runs.json").read_text())["runs"]
    return [item["run"] for item in sorted(listed, key=lambda item: item["seed"]) if item["arm"] == arm]


def task_bits(folder: Path, fingerprint: str, task: str) -> float:
    """Return a task's mean bits per byte of the gold answer, from the log-likelihoods of its items."""
    for path in (folder / "store").glob("scores-*"):
        results = json.loads((path / "results.json").read_text())
        if results["model"]["digest"] == fingerprint:
            items = pq.read_table(path / "items.parquet").to_pylist()
            own = [item for item in items if item["task"] == task]
            assert len(own) == 8
            return fmean(
                -item["log_likelihoods"][item["gold"]] / math.log(2) / item["num_bytes"][item["gold"]] for item in own
            )
    raise AssertionError(f"no scores of {fingerprint}")


def slice_bits(folder: Path, fingerprint: str, name: str) -> float:
    """Return a slice's bits per byte, from the nats of the panel's documents."""
    path = next((folder / "store").glob(f"run-{fingerprint[:8]}"))
    table = pq.read_table(next(path.rglob("documents.parquet"))).to_pandas()
    own = table[table["slice"] == name]
    return float(own["nats"].sum() / own["num_bytes"].sum() / math.log(2))


def test_differences_of_families_and_slices_are_those_of_the_items(folder: Path) -> None:
    rows = {(row["level"], row["name"], row["metric"]): row for row in compared(folder)["rows"]}
    pairs = list(zip(runs_of(folder, "even"), runs_of(folder, "baseline"), strict=True))
    assert len(pairs) == 2
    deltas = {
        task: fmean(math.log(task_bits(folder, a, task) / task_bits(folder, b, task)) for a, b in pairs)
        for task in TASKS
    }
    for family in ("knowledge", "reasoning"):
        row = rows["family", family, "bits_per_byte_corr"]
        expected = fmean(deltas[task] for task, (own, _) in TASKS.items() if own == family)
        assert row["delta"] == pytest.approx(expected, abs=1e-9)
        assert row["low"] < row["delta"] < row["high"]
    for name in tags_of(folder):
        expected = fmean(math.log(slice_bits(folder, a, name) / slice_bits(folder, b, name)) for a, b in pairs)
        assert rows["slice", name, "bits_per_byte"]["delta"] == pytest.approx(expected, abs=1e-9)


def test_slices_say_what_they_were_trained_on_fitted_to_and_what_had_to_hold(folder: Path) -> None:
    large, small = tags_of(folder)
    found = compared(folder)
    marks = {row["name"]: dict(mark.partition(":")[::2] for mark in row["marks"]) for row in found["rows"]}
    assert float(marks[small]["trained-on"]) == pytest.approx(0.5, abs=1 / 32)  # the least of 32 windows
    assert float(marks[small]["trained-on-b"]) == pytest.approx(50 / 210, abs=0.06)
    assert float(marks[large]["trained-on"]) == pytest.approx(0.5, abs=1 / 32)
    assert marks[small].keys() & {"protect", "trade", "selected-for"} == {"protect"}
    assert marks[large].keys() & {"protect", "trade", "selected-for"} == {"trade", "selected-for"}
    states = {row["name"]: row["kept"] for row in found["rows"] if row["level"] == "slice"}
    assert {item["slice"]: item["state"] for item in found["protect"]} == states
    assert states[large] == "held"  # a loss of half is allowed
    assert found["verdict"] == "insufficient"


def test_the_table_and_the_heat_map_hold_the_same_slices_and_families(folder: Path, tmp_path: Path) -> None:
    picture = tmp_path / "heat.svg"
    printed = run(folder, "compare", study(folder), "--heatmap", picture)
    titles = re.findall("<title>even, (.*?): (.*?);", picture.read_text())
    rows = [row for row in compared(folder)["rows"] if row["level"] in ("headline", "slice", "all-tasks", "family")]
    shown = [row for row in rows if row["above_chance"] is not False]
    assert sorted(name for name, _ in titles) == sorted(row["name"] for row in shown)
    told = dict(titles[: len(shown)])
    for row in shown:
        if row["unit"] == "log-ratio":
            value = f"{100 * math.expm1(row['delta']):+.2f}".replace("-", "−")
            assert value in told[row["name"]] or value in dict(reversed(titles))[row["name"]]
            assert re.search(rf"{re.escape(row['name'])} .*{re.escape(value)}%", printed)


def test_a_plan_of_the_mixture_counts_the_tags_that_were_trained_on(folder: Path) -> None:
    recipe = {**json.loads((folder / "base.yaml").read_text()), "panel": study_of(folder, *tags_of(folder))["panel"]}
    recipe["pool"] = json.loads((folder / "study.yaml").read_text())["pool"]
    (folder / "recipe.json.yaml").write_text(json.dumps(recipe))
    plan = json.loads(run(folder, "mix", "plan", folder / "recipe.json.yaml", "--tier", TIER, "--json"))
    assert plan["slices"].keys() == set(tags_of(folder))
    assert plan["exact"]
    _, small = tags_of(folder)
    assert plan["slices"][small]["weight"] == pytest.approx(50 / 210, abs=0.06)


def test_looking_changes_nothing_in_the_store_even_beside_a_builder(folder: Path, tmp_path: Path) -> None:
    from curation.store import Store

    store = Store.open(folder / "store")
    first = next((folder / "store").glob("run-*")).name
    panel = next((folder / "store").glob("panel-*/manifest.json")).parent.name
    with store.building("pool", "0" * 64):
        before = listing(folder)
        for words in (
            ("compare", study(folder)),
            ("compare", f"{study(folder)}:even", f"{study(folder)}:baseline"),
            ("noise", "show"),
            ("panel", "show", panel),
            ("panel", "curve", first),
            ("study", "status", folder / "study.yaml"),
            ("study", "plan", folder / "study.yaml"),
            ("eval", first, "--suite", folder / "suite.yaml", "--dry-run"),
            ("leaderboard", "show"),
            ("plateaus",),
        ):
            run(folder, *words)
            assert listing(folder) == before, words
        run(folder, "study", "report", study(folder), "--out", tmp_path / "report", store=False)
        assert listing(folder) == before
