"""Controls: filters that know nothing of quality and keep as many tokens as another filter or a dedup (rule 3).

`random` keeps the same share of all living tokens, `random-matched` the same share in each slice, `length` the longest
documents of each slice. Documents are taken in the order of hash(seed, id), or of length and then that hash, over the
whole pool until the kept tokens are as near to the target as whole documents allow. Gain over `random-matched` may be
called document quality, the rest is reweighting of slices; a filter that does not beat `length` found long documents.
A dedup is matched from the survivors of the base's own: with `in_place_of_previous` the matched one stands where the
stage before the control stands. Where it leaves more than that one there is nothing to remove: the control keeps all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from pydantic import Field, model_validator

from curation.batches import read_table
from curation.errors import RecipeError
from curation.files import Json
from curation.nodes import Node, NodeRun
from curation.recipe import Spec, StageSpec
from curation.recipe_changes import MATCHED, matched_text
from curation.sidecars import VerdictPart, map_parts, read_column, read_verdict, write_verdict
from curation.slices import SliceKind
from curation.stages import STAGES, StageInputs, living
from curation.store import Artifact
from curation.token_counts import token_counts_node
from filters.base import PartCount, count_part, verdict_summary
from filters.control_draws import Draw, Quota, decide_quota, joined, length_order, order_values
from filters.judged import Scope, SliceCodes, slice_codes

VERSION = "control@2"
REASON = "not-drawn"

IN_PLACE = "in_place_of_previous"
EVERYTHING = Scope(applies_to=get_args(SliceKind))


class ControlSettings(Spec):
    """How much a control keeps: as much as the stage `match` keeps, or the share `keep` of the tokens."""

    match: str | dict[str, Any] | None = None
    """A filter's name, or a mapping `{filter: name, ...settings}` or `{dedup: name, ...settings}` as in a stage."""
    keep: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _one_of_two(self) -> ControlSettings:
        if (self.match is None) == (self.keep is None):
            raise ValueError("give either `match: <filter>` or `keep: <share of tokens>`, one of the two")
        if (
            isinstance(self.match, dict)
            and [isinstance(self.match.get(kind), str) for kind in MATCHED].count(True) != 1
        ):
            raise ValueError(
                f"match: expected `{{filter: name, ...settings}}` or `{{dedup: name, ...settings}}`, got {self.match!r}"
            )
        return self

    @property
    def in_place_of_previous(self) -> bool:
        """Whether the matched stage stands where the stage before the control stands."""
        return isinstance(self.match, dict) and bool(self.match.get(IN_PLACE, False))

    def matched_spec(self) -> StageSpec | None:
        """Return the stage to match, None with `keep`."""
        if self.match is None:
            return None
        if isinstance(self.match, str):
            return StageSpec(kind="filter", name=self.match)
        kind = next(kind for kind in MATCHED if kind in self.match)
        rest = {key: value for key, value in self.match.items() if key not in (kind, IN_PLACE, "params")}
        return StageSpec(kind=kind, name=self.match[kind], params={**rest, **self.match.get("params", {})})


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A filter that knows nothing of quality, at equal kept tokens."""

    name: str
    summary: str
    per_slice: bool
    by_length: bool = False

    @property
    def version(self) -> str:
        """Version of the draw."""
        return VERSION

    @property
    def settings(self) -> type[ControlSettings]:
        """`match` or `keep`, and a seed."""
        return ControlSettings

    def node(self, settings: Any, inputs: StageInputs, where: str) -> Node:
        """Return the verdict node; the matched filter is built from the same inputs."""
        nodes = {
            "pool": inputs.pool,
            "token-counts": inputs.token_counts,
            **inputs.who_is_alive(),
            **_reference(settings, inputs, f"{where}: match"),
        }

        def run(context: NodeRun) -> Mapping[str, Json]:
            return _run(self, settings, context)

        return Node(
            kind="verdict",
            version=VERSION,
            params={
                "filter": self.name,
                "keep": settings.keep,
                "seed": settings.seed,
                **({IN_PLACE: True} if settings.in_place_of_previous else {}),
            },
            inputs=nodes,
            run=run,
            label=f"filter {self.name}" + (f" (match {matched_text(settings.match)})" if settings.match else ""),
        )


RANDOM = Control(
    name="random",
    summary="Control: a random share of the whole pool, as many tokens as another filter keeps.",
    per_slice=False,
)
RANDOM_MATCHED = Control(
    name="random-matched",
    summary="Control: a random share of each slice, as many tokens as another filter keeps there.",
    per_slice=True,
)
LENGTH = Control(
    name="length",
    summary="Control: the longest documents of each slice, as many tokens as another filter keeps there.",
    per_slice=True,
    by_length=True,
)


def _reference(settings: ControlSettings, inputs: StageInputs, where: str) -> dict[str, Node]:
    """Return the matched stage's verdict, of a dedup with the token counts of the text that it leaves."""
    spec = settings.matched_spec()
    if spec is None:
        return {}
    at = inputs.before if settings.in_place_of_previous else inputs
    if at is None:
        raise RecipeError(f"{where}: `{IN_PLACE}` is set, but no stage stands before the control; leave it out")
    made = STAGES.get(spec.kind, where)(spec, at, where)
    if spec.kind == "filter":
        assert isinstance(made, Node)
        return {"reference": made}
    if isinstance(made, Node):
        return {"reference": made, "reference-token-counts": at.token_counts}
    tokenizer = str(at.token_counts.params["tokenizer"])
    counts = token_counts_node(made.pool, tokenizer, label=f"token counts after {spec.name}")
    return {"reference": made.verdict, "reference-token-counts": counts}


def _run(control: Control, settings: ControlSettings, context: NodeRun) -> dict[str, Json]:
    pool = context.inputs["pool"]
    draws = map_parts(context, "living tokens", pool.num_parts, lambda part: _draw(control, settings, context, part))
    alive_docs = joined(draws)
    names, codes = alive_docs.names, alive_docs.slices
    groups = codes if control.per_slice else np.zeros(len(codes), np.int32)
    quotas = [
        _quota(alive_docs, groups == group, int(matched), settings)
        for group, matched in enumerate(alive_docs.matched if control.per_slice else [alive_docs.matched.sum()])
        if len(groups)
    ]
    of_slice = {str(name): quotas[code if control.per_slice else 0] for code, name in enumerate(names)}

    def judge(part: int) -> PartCount:
        return _write(control, context, part, settings.seed, {name: item.limit for name, item in of_slice.items()})

    counts = map_parts(context, f"filter {control.name}", pool.num_parts, judge)
    by_slice: dict[str, Json] = {
        name: _slice_counts(alive_docs, code, quota, matched=settings.match is not None)
        for code, (name, quota) in enumerate(of_slice.items())
    }
    return {
        **verdict_summary([REASON], counts, EVERYTHING),
        "alive_tokens": sum(item.alive_tokens for item in quotas),
        "target_tokens": sum(item.target_tokens for item in quotas),
        "kept_tokens": sum(item.kept_tokens for item in quotas),
        "slices": by_slice,
        "notes": [_note(control, settings, quotas)],
    }


def _note(control: Control, settings: ControlSettings, quotas: list[Quota]) -> str:
    """Return how much was drawn and by what, for the funnel."""
    kept, alive = (sum(getattr(item, name) for item in quotas) for name in ("kept_tokens", "alive_tokens"))
    kind = settings.matched_spec()
    wanted = f"as many as the matched {kind.kind} keeps" if kind is not None else f"a share of {settings.keep:g}"
    return f"kept {kept:,} of {alive:,} tokens, {wanted}{' in each slice' if control.per_slice else ''}"


def _quota(docs: Draw, rows: npt.NDArray[np.bool_], matched: int, settings: ControlSettings) -> Quota:
    """Return the decision for the living documents `rows`, of which the matched stage keeps `matched` tokens."""
    target = matched if settings.keep is None else int(settings.keep * int(docs.tokens[rows].sum(dtype=np.int64)) + 0.5)
    return decide_quota(docs.order[rows], docs.tokens[rows], target)


def _slice_counts(docs: Draw, code: int, quota: Quota, *, matched: bool) -> dict[str, Json]:
    """Return a slice's tokens: alive, kept by the matched stage (None without one), kept by the control."""
    rows = docs.slices == code
    drawn = rows & (docs.order <= np.uint64(quota.limit)) if quota.limit is not None else np.zeros_like(rows)
    return {
        "alive_tokens": int(docs.tokens[rows].sum(dtype=np.int64)),
        "reference_tokens": int(docs.matched[code]) if matched else None,
        "kept_tokens": int(docs.tokens[drawn].sum(dtype=np.int64)),
        "limit": None if quota.limit is None else f"{quota.limit:016x}",
    }


def _draw(control: Control, settings: ControlSettings, context: NodeRun, part: int) -> Draw:
    """Return the living documents of one part."""
    inputs = context.inputs
    rows = np.flatnonzero(living(context, part))
    slices = slice_codes(inputs["pool"], part)
    return Draw(
        order=_order(control, inputs["pool"], part, settings.seed)[rows],
        tokens=read_column(inputs["token-counts"], part, "num_tokens")[rows].astype(np.int32),
        slices=slices.codes[rows].astype(np.int32),
        names=slices.names,
        matched=_matched_tokens(settings, context, part, slices),
    )


def _matched_tokens(
    settings: ControlSettings, context: NodeRun, part: int, slices: SliceCodes
) -> npt.NDArray[np.int64]:
    """Return the tokens that the matched stage leaves of a part, by slice; it saw who was alive where it stands."""
    inputs = context.inputs
    reference = inputs.get("reference")
    found = np.zeros(len(slices.names), np.int64)
    if reference is None:
        return found
    seen = living(context, part, without_last=settings.in_place_of_previous) & read_verdict(reference, part).kept
    counts = read_column(inputs.get("reference-token-counts", inputs["token-counts"]), part, "num_tokens")
    np.add.at(found, slices.codes[seen], counts[seen].astype(np.int64))
    return found


def _order(control: Control, pool: Artifact, part: int, seed: int) -> npt.NDArray[np.uint64]:
    """Return the place of every row of a part in the control's order."""
    path = pool.part_paths()[part]
    random = order_values(read_table(path, ["id"])["id"].to_pylist(), seed)
    if not control.by_length:
        return random
    return length_order(random, pc.binary_length(read_table(path, ["text"])["text"]).to_numpy().astype(np.int64))


def _write(control: Control, context: NodeRun, part: int, seed: int, limits: Mapping[str, int | None]) -> PartCount:
    """Write the verdict of one part: every row against its slice's limit; a slice without living rows stays."""
    pool = context.inputs["pool"]
    slices = slice_codes(pool, part)
    order = _order(control, pool, part, seed)
    verdict = VerdictPart.keep_all(len(order))
    for code, name in enumerate(slices.names):
        limit = limits.get(name, 2**64 - 1)
        rows = slices.codes == code
        dropped = rows if limit is None else rows & (order > np.uint64(limit))
        verdict.kept[dropped] = False
    gone = ~verdict.kept
    verdict.reason[gone] = 0
    verdict.value[gone] = order[gone].astype(np.float64) / 2.0**64
    verdict.failed[gone] = np.uint64(1)
    write_verdict(context.out, part, verdict)
    return count_part(verdict, np.ones(len(order), np.bool_), slices, 1)
