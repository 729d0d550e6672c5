"""A small pool with roles and token counts, made in the test, for every filter to judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curation.batches import TEXT_SCHEMA, write_table
from curation.files import digest_json, replacing
from curation.nodes import Node, NodeRun, Planner
from curation.progress import SilentProgress
from curation.recipe import StageSpec
from curation.sidecars import ROLE_TRAIN, VerdictPart, read_verdict
from curation.stages import StageInputs
from curation.store import Artifact, Store

AWKWARD = (
    "",
    "word",
    "no newline at the end",
    "\r\n\r\nCRLF line.\r\nCRLF line.\r\n",
    "🎉🎉 👩‍👩‍👧 party…",
    "这是一个句子。这是一个句子。",
    "e\u0301te\u0301 a\u0300 la\u0300",
    "\x01\x02 \x1c\x1d\x85\u2028\u3000 odd spaces",
    "x" * 5000,
    "\n\n\n",
    "# {" * 40,
)


def doc(id_: str, text: str, slice_: str = "prose", role: int = ROLE_TRAIN) -> dict[str, Any]:
    return {"id": id_, "text": text, "slice": slice_, "role": role}


def _parts(rows: Sequence[Mapping[str, Any]], num_parts: int) -> list[list[Mapping[str, Any]]]:
    ordered = sorted(rows, key=lambda row: str(row["id"]))
    return [[row for i, row in enumerate(ordered) if i % num_parts == part] for part in range(num_parts)]


def _node(kind: str, parts: list[pa.Table], inputs: Mapping[str, Node], params: Mapping[str, Any]) -> Node:
    def run(context: NodeRun) -> Mapping[str, Any]:
        for number, table in enumerate(parts):
            with replacing(context.out.part_path(number)) as temporary:
                write_table(temporary, table)
        return {}

    return Node(kind=kind, version="test", params=params, inputs=inputs, run=run)


def _pool_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    columns = {
        field.name: [row.get(field.name, "test" if field.name == "source" else None) for row in rows]
        for field in TEXT_SCHEMA
    }
    return pa.table(columns, schema=TEXT_SCHEMA)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A pool, its sidecars and a planner over a store."""

    inputs: StageInputs
    planner: Planner
    rows: list[list[Mapping[str, Any]]]

    def build(self, name: str, **params: Any) -> Artifact:
        from filters.stage import filter_node

        spec = StageSpec(kind="filter", name=name, params=params)
        return self.planner.materialise(filter_node(spec, self.inputs, "stages[0]"))

    def verdicts(self, artifact: Artifact) -> dict[str, str | None]:
        reasons = artifact.summary["reasons"]
        found: dict[str, str | None] = {}
        for part, rows in enumerate(self.rows):
            verdict: VerdictPart = read_verdict(artifact, part)
            for row, kept, reason in zip(rows, verdict.kept, verdict.reason, strict=True):
                found[row["id"]] = None if kept else reasons[reason]  # type: ignore[index, call-overload]
        return found

    def judge(self, name: str, **params: Any) -> dict[str, str | None]:
        return self.verdicts(self.build(name, **params))


MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(tmp_path: Path) -> MakeWorld:
    def make(
        rows: Sequence[Mapping[str, Any]],
        *,
        num_parts: int = 2,
        workers: int = 2,
        slice_kinds: Mapping[str, Any] | None = None,
        store: str = "store",
        dropped: frozenset[str] = frozenset(),
    ) -> World:
        parts = _parts(rows, num_parts)
        content: Any = [[dict(row) for row in part] for part in parts]
        pool = _node("pool", [_pool_table(part) for part in parts], {}, {"content": digest_json(content)})
        roles = [pa.table({"role": np.array([row["role"] for row in part], np.int8)}) for part in parts]
        panel = _node("panel", roles, {"pool": pool}, {})
        counted = [
            pa.table({"num_tokens": np.array([row.get("tokens", len(row["text"].split())) for row in part], np.int32)})
            for part in parts
        ]
        earlier = []
        for part in parts:
            kept = np.array([row["id"] not in dropped for row in part], np.bool_)
            size = len(part)
            earlier.append(
                pa.table(
                    {
                        "kept": kept,
                        "reason": np.where(kept, -1, 0).astype(np.int16),
                        "value": np.full(size, np.nan),
                        "failed": (~kept).astype(np.uint64),
                    }
                )
            )
        inputs = StageInputs(
            pool=pool,
            panel=panel,
            token_counts=_node("token-counts", counted, {"pool": pool}, {}),
            previous=(_node("verdict", earlier, {"pool": pool}, {"dropped": sorted(dropped)}),) if dropped else (),
            slice_kinds=slice_kinds or {},
        )
        planner = Planner(store=Store.open(tmp_path / store), workers=workers, progress=SilentProgress())
        return World(inputs=inputs, planner=planner, rows=parts)

    return make


CLEAN = (
    "The harbour of the old town was built by people who had come from the north to trade with their neighbours.\n"
    "They carried timber and salt, and they stayed because the winters were mild and the fishing was good.\n"
    "Nobody knows who drew the first map of the bay; it hangs today in a small museum near the water.\n"
    "Visitors ask about it often, and the keeper will tell them that every line was drawn by hand.\n"
)


@pytest.fixture
def clean_text() -> str:
    """English prose that no rule has anything against."""
    return CLEAN


@pytest.fixture(params=AWKWARD, ids=range(len(AWKWARD)))
def awkward_text(request: pytest.FixtureRequest) -> str:
    return str(request.param)
