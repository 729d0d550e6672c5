"""Losses by source: against a document-by-document twin, over kills, budgets, streams without sources and many."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from curation.errors import ShardError
from curation.files import Json
from curation.funnel import MAX_SOURCES, OTHER_SOURCES
from curation.nodes import Node, Planner
from curation.progress import SilentProgress
from curation.store import Artifact, Store
from curation.tokenizers import load_tokenizer
from train import loop
from train.companions import StepOutcome
from train.engine import Engine
from train.live import panel
from train.metrics import read_rows
from train.model import build_model
from train.observers import observers
from train.run import run_node
from train.run_state import RunState
from train.shards import Streams, open_streams, sources_note, tokens_node, verify_streams
from train.source_losses import SourceLosses, code_sums
from train.splice import LATE, Splice, all_streams
from train.stream_documents import Documents
from train.tiers import Tier
from train.training import Hooks, StoppedError, Trained, Training

Build = Callable[[Node], Artifact]
Make = Callable[..., Node]
Sentences = Callable[..., list[str]]
PICO = "ladder-pico@1"
TWO = ("wiki", "forum")


@pytest.fixture
def mixed(make_corpus: Make, random_sentences: Sentences) -> Node:
    """Return a corpus whose slices hold documents of two sources by turns, some longer than a window."""
    web = [text * (1 + number % 4) for number, text in enumerate(random_sentences("web", 700))]
    return make_corpus({"code": random_sentences("code", 640), "web": web}, sources=TWO)


@pytest.fixture
def streams(build: Build, mixed: Node) -> Streams:
    return open_streams(build(tokens_node(mixed, PICO)))


def documents_of(lengths: list[int], codes: list[int], sources: tuple[str, ...] = ("a", "b", "c")) -> Documents:
    counted = {
        name: sum(n for n, code in zip(lengths, codes, strict=True) if sources[code] == name) for name in sources
    }
    ends = np.cumsum(lengths, dtype=np.int64)
    return Documents(ends=ends, codes=np.array(codes, np.uint16), sources=sources, source_tokens=counted)


def slow_sums(documents: Documents, windows: list[int], nats_BT: np.ndarray) -> tuple[list[float], list[int]]:
    """Return the same position by position, each looked up among the documents from the first on."""
    nats, tokens = [0.0] * len(documents.sources), [0] * len(documents.sources)
    size = nats_BT.shape[1]
    for window, row in zip(windows, nats_BT.tolist(), strict=True):
        for place, value in enumerate(row):
            target = window * size + place + 1
            document = next(number for number, end in enumerate(documents.ends.tolist()) if target < end)
            nats[int(documents.codes[document])] += value
            tokens[int(documents.codes[document])] += 1
    return nats, tokens


def test_a_position_counts_for_the_document_of_the_token_it_predicts() -> None:
    documents = documents_of([3, 1, 5], [0, 1, 2])  # tokens aaa b ccccc; the last of each is EOS
    nats_BT = np.array([[1, 2, 4, 8], [16, 32, 64, 128]], np.float32)
    found = code_sums(documents, np.array([0, 1]), nats_BT)
    assert found.nats.tolist() == [1 + 2, 4, 8 + 16 + 32 + 64 + 128]
    assert found.tokens.tolist() == [2, 1, 5]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), size=st.integers(1, 7))
def test_sums_are_those_of_a_look_up_position_by_position(data: st.DataObject, size: int) -> None:
    lengths = [*data.draw(st.lists(st.integers(1, 20), min_size=1, max_size=12)), size]
    codes = data.draw(st.lists(st.integers(0, 2), min_size=len(lengths), max_size=len(lengths)))
    documents = documents_of(lengths, codes)
    last = (sum(lengths) - 1) // size - 1
    windows = data.draw(st.lists(st.integers(0, last), min_size=1, max_size=6)) if last >= 0 else [0]
    nats_BT = np.random.default_rng(1).integers(0, 100, (len(windows), size)).astype(np.float32)
    found = code_sums(documents, np.array(windows), nats_BT)
    assert (found.nats.tolist(), found.tokens.tolist()) == slow_sums(documents, windows, nats_BT)


def test_the_files_say_where_each_document_ends_and_whose_it_is(build: Build, make_corpus: Make) -> None:
    docs = {"a": ["one", "", "three three\n", "four"], "b": ["ü"]}
    artifact = build(tokens_node(make_corpus(docs, num_shards=3, sources=TWO), PICO))
    streams = open_streams(artifact)
    verify_streams(artifact)
    for name, texts in docs.items():
        found = streams.documents[name]
        assert found.ends.tolist() == (np.flatnonzero(streams.tokens[name] == load_tokenizer(PICO).eos_id) + 1).tolist()
        assert [found.sources[code] for code in found.codes] == [TWO[place % 2] for place in range(len(texts))]
        lengths = np.diff(found.ends, prepend=0)
        assert found.source_tokens == {
            source: int(lengths[place::2].sum()) for place, source in enumerate(TWO) if place < len(texts)
        }


def test_shards_and_workers_change_no_byte_of_them(
    tmp_path: Path, make_corpus: Make, random_sentences: Sentences
) -> None:
    docs = {"a": random_sentences("a", 40), "b": random_sentences("b", 7)}
    found = []
    for number, (shards, workers) in enumerate([(1, 1), (5, 2)]):
        planner = Planner(store=Store.open(tmp_path / str(number)), workers=workers, progress=SilentProgress())
        made = planner.materialise(tokens_node(make_corpus(docs, num_shards=shards, sources=TWO), PICO))
        found.append([(made.path / f"stream-0000{code}.documents.bin").read_bytes() for code in (0, 1)])
    assert found[0] == found[1]
    assert len(found[0][0]) == 40 * 10


def test_rare_sources_are_counted_together(build: Build, make_corpus: Make, random_sentences: Sentences) -> None:
    names = tuple(f"s{number:03d}" for number in range(MAX_SOURCES + 5))
    texts = random_sentences("a", MAX_SOURCES + 5 + 3)  # the first three sources have two documents
    found = open_streams(build(tokens_node(make_corpus({"a": texts}, sources=names), PICO))).documents["a"]
    assert found.sources == (*names[:MAX_SOURCES], OTHER_SOURCES)
    assert [int(n) for n in np.bincount(found.codes)] == [2, 2, 2, *[1] * (MAX_SOURCES - 3), 5]


def trained(tier: Tier, streams: Streams, folder: Path, stops: list[int], splice: Splice | None = None) -> Trained:
    """Train with all companions, new ones after so many steps each of `stops`."""
    for steps in [*stops, tier.num_steps]:
        watching = observers(tier, all_streams(streams, splice), None)
        asked = iter([False] * (steps - 1) + [True] * tier.num_steps)
        training = Training(tier=tier, streams=streams, index=1, folder=folder, identity={"t": tier.name},
                            companions=watching.companions, splice=splice)  # fmt: skip
        hooks = Hooks(report=lambda *_: None, note=lambda _: None, should_stop=asked.__next__)
        with contextlib.suppress(StoppedError):
            return loop.train(training, hooks)
    raise AssertionError("it was stopped more often than asked")


def test_rows_are_those_of_a_twin_that_scores_every_document_by_itself(
    tmp_path: Path, tiny: Tier, streams: Streams
) -> None:
    seen: list[StepOutcome] = []

    class Twin:
        name = "twin"

        def after_step(self, outcome: StepOutcome, engine: Engine) -> None:
            seen.append(outcome)

        def row(self) -> Mapping[str, Json]:
            return {}

        state = row

        def restore(self, state: Json) -> None:
            pass

    watching = observers(tiny, streams, None)
    training = Training(tier=replace(tiny, multiple=0.2), streams=streams, index=1, folder=tmp_path, identity={},
                        companions=[*watching.companions, Twin()])  # fmt: skip
    found = loop.train(training, Hooks(report=lambda *_: None, note=lambda _: None, should_stop=lambda: False))
    read = dict.fromkeys(TWO, 0)
    for outcome, row in zip(seen, found.metrics, strict=True):
        nats, tokens = dict.fromkeys(TWO, 0.0), dict.fromkeys(TWO, 0)
        for number, window, row_nats in zip(outcome.drawn.slices, outcome.drawn.windows, outcome.nats_BT, strict=True):
            documents = streams.documents[outcome.drawn.names[number]]
            one_nats, one_tokens = slow_sums(documents, [int(window)], row_nats[None])
            for source, more, count in zip(documents.sources, one_nats, one_tokens, strict=True):
                nats[source], tokens[source] = nats[source] + more, tokens[source] + count
        told: Mapping[str, Any] = row
        assert told["tokens_by_source"] == {name: count for name, count in sorted(tokens.items()) if count}
        assert told["loss_by_source"] == pytest.approx({n: nats[n] / t for n, t in tokens.items() if t}, rel=1e-12)
        assert sum(tokens.values()) == tiny.batch_tokens
        read = {name: read[name] + tokens[name] for name in TWO}
        held = {name: sum(one.source_tokens[name] for one in streams.documents.values()) for name in TWO}
        assert told["epochs_by_source"] == {name: read[name] / held[name] for name in sorted(TWO)}


def test_positions_sum_to_rows_and_rows_to_the_loss(tiny: Tier, streams: Streams) -> None:
    rows = np.stack([streams.window("web", number, 64) for number in range(4)]).astype(np.int64)
    found = Engine(tiny, build_model(tiny, 1)).gradients(rows)
    assert (found.nats_BT.dtype.str, found.nats_BT.shape) == ("<f4", (4, 64))
    assert found.nats_by_row == pytest.approx(found.nats_BT.astype(np.float64).sum(axis=1), rel=1e-12)


def test_stopped_between_rows_and_resumed_the_rows_are_the_same_bytes(
    tmp_path: Path, tiny: Tier, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "metric_steps", lambda _: 6)
    monkeypatch.setattr(loop, "CHECKPOINT_FLOPS", 5 * tiny.batch_tokens * tiny.shape.flops_per_token)
    whole = trained(tiny, streams, tmp_path / "whole", [])
    parts = trained(tiny, streams, tmp_path / "parts", [4, 6, 11])  # at steps 4, 10 and 21
    ours, theirs = (json.dumps(found.metrics, sort_keys=True) for found in (parts, whole))  # as the file has them
    assert ours == theirs
    assert all(set(row["loss_by_source"]) == set(TWO) for row in whole.metrics)  # type: ignore[arg-type]


def test_a_state_in_the_middle_of_a_row_gives_the_same_row(streams: Streams) -> None:
    drawn = all_streams(streams, None)
    whole, first = SourceLosses(drawn.documents), SourceLosses(drawn.documents)
    for step in range(6):
        outcome = outcome_of(step)
        whole.after_step(outcome, None)  # type: ignore[arg-type]
        first.after_step(outcome, None)  # type: ignore[arg-type]
        if step == 3:
            state = json.loads(json.dumps(first.state()))
            first = SourceLosses(drawn.documents)
            first.restore(state)
    assert json.dumps(first.row()) == json.dumps(whole.row())


def outcome_of(step: int, worst: float = 1.0) -> StepOutcome:
    from mixtures.draws import draw

    nats_BT = np.random.default_rng(step).random((4, 64)).astype(np.float32)
    nats_BT[0, 0] *= worst
    return StepOutcome(
        step=step, drawn=draw({"code": 1.0, "web": 1.0}, {"code": 40, "web": 40}, seed=1, start=4 * step, count=4),
        loss=1.0, nats_by_row=nats_BT.sum(axis=1, dtype=np.float64), nats_BT=nats_BT, grad_norm=1.0,
        first_grad_norm=None, first_tokens=256, learning_rate=1e-3, accepted=True,
    )  # fmt: skip


def test_a_source_that_is_not_finite_is_null_in_its_row_alone(streams: Streams) -> None:
    losses = SourceLosses(streams.documents)
    losses.after_step(outcome_of(0, float("nan")), None)  # type: ignore[arg-type]
    row: dict[str, Any] = dict(losses.row())
    assert None in row["loss_by_source"].values()
    losses.after_step(outcome_of(1), None)  # type: ignore[arg-type]
    row = dict(losses.row())
    assert None not in row["loss_by_source"].values()


def test_sources_of_a_spliced_corpus_stay_apart(tmp_path: Path, tiny: Tier, streams: Streams) -> None:
    splice = Splice(streams=streams, step=20)
    rows = [dict(row) for row in trained(tiny, streams, tmp_path, [], splice).metrics]
    assert all(set(row["tokens_by_source"]) <= set(TWO) for row in rows[:20])  # type: ignore[arg-type]
    assert all(set(row["tokens_by_source"]) <= {LATE + name for name in TWO} for row in rows[20:])  # type: ignore[arg-type]
    assert set(rows[-1]["epochs_by_source"]) == {*TWO, *(LATE + name for name in TWO)}  # type: ignore[arg-type]


def test_streams_from_before_train_without_the_field_and_with_a_note(
    build: Build, tiny: Tier, mixed: Node, small_panel: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = build(tokens_node(mixed, PICO))
    assert sources_note(tokens) is None
    manifest = json.loads((tokens.path / "manifest.json").read_text())
    for held in manifest["summary"]["slices"].values():
        del held["documents"], held["sources"]
        (tokens.path / held["file"].replace(".bin", ".documents.bin")).unlink()
    del manifest["summary"]["sources"]
    manifest["files"] = [entry for entry in manifest["files"] if "documents" not in entry["path"]]
    (tokens.path / "manifest.json").write_text(json.dumps(manifest))
    notes: list[str] = []
    monkeypatch.setattr(SilentProgress, "note", lambda _, text: notes.append(text))
    run = build(run_node(tokens_node(mixed, PICO), small_panel, "tiny", 1))
    assert any("no file of documents beside the stream of slice `code`" in note for note in notes)
    assert not any("loss_by_source" in row for row in read_rows(run.path / "metrics.jsonl"))
    assert "final_train_loss_by_source" not in run.summary


def test_a_file_of_another_size_is_refused_by_name(build: Build, mixed: Node) -> None:
    tokens = build(tokens_node(mixed, PICO))
    path = tokens.path / "stream-00001.documents.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        ShardError, match=r"stream-00001\.documents\.bin: 6,999 bytes, expected 7,000 for 700 documents"
    ):
        open_streams(tokens)


def test_a_run_says_the_last_tenth_by_source_and_the_view_shows_it(
    build: Build, tiny: Tier, mixed: Node, small_panel: Node
) -> None:
    run = build(run_node(tokens_node(mixed, PICO), small_panel, "tiny", 1))
    rows = read_rows(run.path / "metrics.jsonl")
    summary: Mapping[str, Any] = run.summary
    assert summary["epochs_by_source"] == rows[-1]["epochs_by_source"]
    last = [(row["loss_by_source"][n], row["tokens_by_source"][n]) for row in rows[-4:]
            for n in ("wiki",) if n in row["loss_by_source"]]  # fmt: skip
    expected = sum(loss * count for loss, count in last) / sum(count for _, count in last)
    assert summary["final_train_loss_by_source"]["wiki"] == pytest.approx(expected)
    state = RunState(name="r")
    state.add_row(rows[-1])
    console = Console(width=120)
    with console.capture() as shown:
        console.print(panel(state, "running"))
    assert "forum" in shown.get()
