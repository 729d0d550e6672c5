"""Panel leak and near copies of the panel (rule 1): real texts, real builds; no arm may read what it is scored on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curation.batches import read_table, write_table
from curation.files import read_json
from curation.ingest import ensure_pool
from curation.nodes import Planner
from curation.panel_leak import panel_leak
from curation.pipeline import plan_corpus
from curation.progress import SilentProgress
from curation.randomness import generator
from curation.store import Artifact, Store
from leaderboard.studies.arms import resolve_arms
from leaderboard.studies.study import load_study

SYLLABLES = "ba de fi ko lu ma ne pi ro su ta ve wi xo yu za".split()


def text_of(number: int, sentences: int = 12) -> str:
    """Return prose of made-up words that no other number has."""
    rng = generator(9, "text", number)
    lines = []
    for _ in range(sentences):
        words = ["".join(rng.choice(SYLLABLES, 3)) for _ in range(10)]
        lines.append("The " + " ".join(words) + ".")
    return "\n".join(lines)


def retouched(text: str) -> str:
    """Return a near copy: one sentence in six is another, so 5-word shingles still have Jaccard above 1/2."""
    lines = text.splitlines()
    return "\n".join(text_of(77, 1) if place % 6 == 5 else line for place, line in enumerate(lines))


@cache
def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """Return the set of five words in a row: the slow twin of the near-copy index."""
    words = text.lower().replace(".", "").split()
    return frozenset(tuple(words[place : place + 5]) for place in range(len(words) - 4))


def near(one: str, other: str) -> bool:
    """Whether two texts share half of their shingles."""
    left, right = shingles(one), shingles(other)
    shared = len(left & right)
    return 3 * shared >= len(left) + len(right)


@dataclass(frozen=True, kw_only=True)
class Built:
    """The arms of a study, built."""

    panel: list[str]
    corpora: dict[str, list[str]]
    dropped: dict[str, int]
    """Documents of each arm that the panel split took for near copies."""
    artifacts: tuple[Artifact, Artifact]
    """The baseline's corpus, and the panel."""


def built(folder: Path, extra: list[str]) -> Built:
    """Build all arms of a study over 160 documents of 40 sites and `extra` of another one."""
    folder.mkdir()
    rows = [{"text": text_of(number), "slice": "docs", "site": f"site-{number % 40}"} for number in range(160)]
    rows += [{"text": text, "slice": "mirror", "site": f"mirror-{place}"} for place, text in enumerate(extra)]
    (folder / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    study_path = folder / "mirrors.yaml"
    study_path.write_text(
        "hypothesis: long documents help\nkind: filter\nbase: baseline\n"
        f"pool: {{path: {folder / 'pool.jsonl'}, family: site}}\n"
        "vary: {long: {filter: word-count, min_words: 60}}\n"
        "panel: {bytes_per_slice: 9000, reference_fraction: 0}\ntiers: {pico-0.02x: 1}\n"
    )
    store, arms = Store.open(folder / "store"), resolve_arms(load_study(study_path), "mirrors.yaml")
    pool = ensure_pool(store, arms[0].recipe.pool, workers=2, progress=SilentProgress())
    planner = Planner(store=store, workers=2, progress=SilentProgress())
    plans = {arm.name: plan_corpus(arm.recipe, pool) for arm in arms}
    corpora = {name: planner.materialise(plan.corpus) for name, plan in plans.items()}
    panel = planner.materialise(plans["baseline"].panel)
    return Built(
        panel=read_table(panel.path / "documents.parquet", ["text"])["text"].to_pylist(),
        corpora={name: texts_of(corpus) for name, corpus in corpora.items()},
        dropped={name: near_copies_dropped(corpus) for name, corpus in corpora.items()},
        artifacts=(corpora["baseline"], panel),
    )


def texts_of(corpus: Artifact) -> list[str]:
    """Return all texts of a corpus."""
    found: list[str] = []
    for path in sorted(corpus.path.glob("data/*.parquet")):
        found += read_table(path, ["text"])["text"].to_pylist()
    return found


def near_copies_dropped(corpus: Artifact) -> int:
    """Return how many documents the funnel says left as near copies of the panel."""
    steps: Any = read_json(corpus.path / "funnel.json")
    return sum(found["docs"] for step in steps for name, found in step["reasons"].items() if name == "near-panel")


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Built]:
    """The pool with retouched copies of all its documents beside it, and the twin with fresh text in their place."""
    folder = tmp_path_factory.mktemp("mirrors")
    return {
        "trap": built(folder / "trap", [retouched(text_of(number)) for number in range(160)]),
        "twin": built(folder / "twin", [text_of(1000 + number) for number in range(160)]),
    }


def test_retouched_copies_of_the_panel_leave_every_arm_and_the_funnel_says_why(worlds: dict[str, Built]) -> None:
    trap = worlds["trap"]
    assert len(trap.panel) >= 10
    assert all(count >= len(trap.panel) / 2 for count in trap.dropped.values())
    for name, texts in trap.corpora.items():
        assert not [text for text in texts if any(near(text, other) for other in trap.panel)], name


def test_retouched_copies_would_otherwise_be_there(worlds: dict[str, Built]) -> None:
    copies = [retouched(text) for text in worlds["trap"].panel]
    assert all(near(one, other) for one, other in zip(copies, worlds["trap"].panel, strict=True))


def test_fresh_text_of_a_mirror_is_no_near_copy(worlds: dict[str, Built]) -> None:
    twin = worlds["twin"]
    assert set(twin.dropped.values()) == {0}
    mirrors = {text_of(1000 + number) for number in range(160)} - set(twin.panel)
    assert len(mirrors & set(twin.corpora["baseline"])) == len(mirrors) >= 60


def test_a_corpus_into_which_the_panel_was_written_afterwards_is_caught_by_reading_it(worlds: dict[str, Built]) -> None:
    corpus, panel = worlds["twin"].artifacts
    honest_leak = panel_leak(corpus, panel)
    assert (honest_leak.exact, honest_leak.near, honest_leak.first_ids) == (0, 0, ())
    shard = next(iter(sorted(corpus.path.glob("data/*.parquet"))))
    honest = read_table(shard)
    whole, span, touched = worlds["twin"].panel[:3]
    texts = [whole, "\n".join([text_of(78), *span.splitlines()[:6], text_of(79)]), retouched(touched)]
    leaked = honest.slice(0, 3).set_column(
        honest.schema.get_field_index("text"),
        honest.schema.field("text"),
        pa.array(texts, honest.schema.field("text").type),
    )
    write_table(shard, pa.concat_tables([leaked, honest]))
    found = panel_leak(corpus, panel)
    assert (found.exact, found.near) == (3, 2)  # the span is one of many lines: in a row, but not near
    assert found.docs_checked == len(worlds["twin"].corpora["baseline"]) + 3
    assert found.first_ids == tuple(honest["id"].to_pylist()[:3])
    write_table(shard, honest)
