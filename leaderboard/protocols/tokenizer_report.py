"""Measurements of a tokenizer study: judged in bits per byte and per FLOP, never per token (rule 7).

Arms train for equal FLOPs (`train.tier_changes`), so their bits per byte are quality at equal cost as they stand. At
equal bytes they are read off between two budgets of an arm, straight in the logarithm of bytes, never beyond them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from curation.nodes import Planner
from curation.store import Artifact
from curation.tokenizers import load_tokenizer
from leaderboard.protocols.common_rows import (
    curve_rows,
    downstream_rows,
    memory_rows,
    panel_rows,
    speed_rows,
    trained_arms,
)
from leaderboard.protocols.study_runs import MeasuredRun, at_equal, mean_log_bpb, of_arm
from leaderboard.protocols.token_use import TokenUse, read_token_use, token_use_node
from leaderboard.protocols.tokenizer_text import TokenizerText, read_tokenizer_text, tokenizer_text_node
from leaderboard.studies.facts import Measurement, Missing
from leaderboard.studies.results import StudyResult
from leaderboard.studies.study import BASELINE

RULE = (
    "equal training FLOPs: a larger vocabulary makes the head, and so every token, dearer, and gets fewer tokens; N "
    "without embedding and head is equal; bytes and tokens seen are given beside it"
)
FORMATTING = ("indentation", "digit", "bracket", "operator", "newline", "other-blank")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arm:
    """One arm's tokenizer on the panel and in its training text."""

    name: str
    runs: Sequence[MeasuredRun]
    text: TokenizerText
    text_artifact: Artifact
    use: TokenUse
    use_artifact: Artifact


def tokenizer_rows(
    result: StudyResult, runs: Sequence[MeasuredRun], planner: Planner
) -> tuple[list[Measurement], list[Missing]]:
    """Return the measurements of a tokenizer study, and what else is wrong with its tokenizers."""
    rows = [
        *panel_rows("bits-per-byte", result, runs),
        *curve_rows(result, runs),
        *speed_rows("throughput", result, runs),
        *memory_rows(result, runs),
        *downstream_rows(result),
    ]
    missing: list[Missing] = []
    for arm in _arms(runs, planner):
        rows += [*_length_rows(arm), *_use_rows(arm)]
        problem = _inexact(arm)
        if problem:
            missing.append(problem)
        else:
            rows += _formatting_rows(arm)
    for tier in result.tiers:
        rows += _cost_rows(result, runs, tier)
    return rows, missing


def _arms(runs: Sequence[MeasuredRun], planner: Planner) -> Iterator[_Arm]:
    for name in dict.fromkeys(run.result.arm for run in runs):
        own = [run for run in runs if run.result.arm == name]
        first = own[0]
        panel = planner.store.find("panel", cast("str", first.artifact.manifest["inputs"]["panel"]))  # type: ignore[index, call-overload]
        assert panel is not None, "a run keeps its panel"
        planner.adopt(panel)
        planner.adopt(first.tokens)
        text = planner.materialise(tokenizer_text_node(panel, load_tokenizer(first.trained.tokenizer)))
        use = planner.materialise(token_use_node(first.tokens))
        yield _Arm(name=name, runs=own, text=read_tokenizer_text(text), text_artifact=text,
                   use=read_token_use(use), use_artifact=use)  # fmt: skip


def _length_rows(arm: _Arm) -> Iterator[Measurement]:
    """Yield tokens per byte by slice and language, length by source, and what a context holds."""
    text, made_of = arm.text, arm.text_artifact.fingerprint
    groups = [("", text.all)]
    groups += [(f"slice {name}", group) for name, group in text.by_slice.items()]
    groups += [(f"language {name}", group) for name, group in text.by_language.items()]
    for of, group in groups:
        yield Measurement(name="tokens-per-byte", arm=arm.name, value=group.tokens_per_byte, unit="tokens per byte",
                          of=of, artifact=made_of)  # fmt: skip
        yield Measurement(name="tokens-per-byte", arm=arm.name, value=group.num_bytes / max(1, group.tokens),
                          unit="bytes per token", of=of, artifact=made_of)  # fmt: skip
    for source, group in [("", text.all), *((f"source {name}", one) for name, one in text.by_source.items())]:
        yield Measurement(name="sequence-length", arm=arm.name, value=group.tokens / max(1, group.docs),
                          unit="tokens per document", of=source, artifact=made_of)  # fmt: skip
    for context in sorted({run.trained.shape.context_tokens for run in arm.runs}):
        held = context * text.all.num_bytes / max(1, text.all.tokens)
        yield Measurement(name="sequence-length", arm=arm.name, value=held, unit="bytes per context",
                          of=f"context {context}", artifact=made_of)  # fmt: skip
        fitting = text.all.fitting.get(str(context))
        if fitting is not None:
            share = fitting / max(1, text.all.docs)
            yield Measurement(name="sequence-length", arm=arm.name, value=share, unit="share of documents that fit",
                              of=f"context {context}", artifact=made_of)  # fmt: skip


def _use_rows(arm: _Arm) -> Iterator[Measurement]:
    """Yield use of the vocabulary in the training text, and tokens of words and rare words on the panel."""
    use = {
        "share of vocabulary used": arm.use.used_fraction,
        "share of vocabulary seen under 100 times": arm.use.rare_fraction,
        "share of tokens that are rare ids": arm.use.rare_occurrence_fraction,
        "bits of entropy": arm.use.entropy_bits,
    }
    for unit, value in use.items():
        yield Measurement(name="token-frequency", arm=arm.name, value=value, unit=unit,
                          artifact=arm.use_artifact.fingerprint)  # fmt: skip
    words = arm.text.words
    if words is None:
        return
    for of, found in (("words", words.tokens_per_word), ("words that occur once", words.tokens_per_rare_word)):
        if found is not None:
            yield Measurement(name="token-frequency", arm=arm.name, value=found, unit="tokens per word", of=of,
                              artifact=arm.text_artifact.fingerprint)  # fmt: skip


def _inexact(arm: _Arm) -> Missing | None:
    """Return why formatting and round trip are not measured; None where text comes back and the ids are of bytes."""
    text = arm.text
    name = f"{text.tokenizer} gives back {text.exact_docs:,} of {text.docs:,} panel documents"
    if text.exact_docs == text.docs and text.formatting:
        return None
    why = name if text.exact_docs < text.docs else f"{text.tokenizer} is not byte-level: its tokens name no bytes"
    return Missing(
        name="code-and-math-formatting",
        tier="",
        arms=(arm.name,),
        why=f"{why}; expected all, byte by byte",
        remedy="remove `normalizer` and `add_prefix_space` from the tokenizer's file, or make it byte-level, and run "
        "`curate study run` again with it",
    )


def _formatting_rows(arm: _Arm) -> Iterator[Measurement]:
    text, made_of = arm.text, arm.text_artifact.fingerprint
    yield Measurement(name="code-and-math-formatting", arm=arm.name, value=text.exact_docs / text.docs,
                      unit="share of documents that come back exactly", of="round trip", artifact=made_of)  # fmt: skip
    for scope, kinds in text.formatting.items():
        for kind in FORMATTING:
            counts = kinds[kind]
            for unit, value in (("tokens per byte", counts.tokens_per_byte), ("tokens per run", counts.tokens_per_run)):
                if value is not None:
                    yield Measurement(name="code-and-math-formatting", arm=arm.name, value=value, unit=unit,
                                      of=f"{scope}: {kind}", artifact=made_of)  # fmt: skip


def _cost_rows(result: StudyResult, runs: Sequence[MeasuredRun], tier: str) -> Iterator[Measurement]:
    """Yield FLOPs and text of every arm at a tier; its bits per byte against the baseline's at equal FLOPs and bytes.

    Quality per FLOP counts as measured where equal bytes can be read off at one budget of the model at least.
    """
    base = of_arm(runs, BASELINE, tier)
    if not base:
        return
    slices = headline_slices(result, tier)
    for arm in trained_arms(runs, tier):
        own = of_arm(runs, arm, tier)
        found: dict[str, float] = {
            "training FLOPs": own[0].result.flops,
            "training FLOPs per byte": own[0].flops_per_byte,
            "FLOPs to those of the baseline": own[0].result.flops / base[0].result.flops,
            "bytes seen": own[0].bytes_seen,
            "tokens seen": own[0].result.tokens_seen,
        }
        for unit, value in found.items():
            yield Measurement(name="training-cost", arm=arm, value=value, unit=unit, tier=tier)
        at_bytes = {one: _at_equal_bytes(runs, arm, one, slices) for one in same_model(runs, tier)} if slices else {}
        if all(value is None for value in at_bytes.values()):
            continue
        gain = {"equal FLOPs": mean_log_bpb(own, slices) - mean_log_bpb(base, slices), "equal bytes": at_bytes[tier]}
        for of, difference in gain.items():
            if difference is not None:
                yield Measurement(name="quality-per-flop", arm=arm, value=difference, unit="log ratio to baseline",
                                  tier=tier, of=of)  # fmt: skip


def same_model(runs: Sequence[MeasuredRun], tier: str) -> list[str]:
    """Return the study's tiers with runs that are budgets of the model of `tier`, itself included."""
    models = {run.result.tier: (run.trained.model, run.trained.lr_multiplier if "@lr" in run.result.tier else 1.0)
              for run in runs}  # fmt: skip
    return [name for name, model in models.items() if model == models[tier]]


def _at_equal_bytes(runs: Sequence[MeasuredRun], arm: str, tier: str, slices: Sequence[str]) -> float | None:
    """Return an arm's mean ln(bits per byte) less the baseline's at `tier`, where both have read as many bytes."""
    base = of_arm(runs, BASELINE, tier)
    here = [own for name in same_model(runs, tier) if (own := of_arm(runs, arm, name))]
    if not base or not here:
        return None
    points = [(own[0].bytes_seen, mean_log_bpb(own, slices)) for own in here]
    found = at_equal(points, base[0].bytes_seen)
    return None if found is None else found - mean_log_bpb(base, slices)


def headline_slices(result: StudyResult, tier: str) -> tuple[str, ...]:
    """Return the slices over which the study's headline at a tier is averaged."""
    return next((one.total.headline_slices for one in result.assessments if one.tier == tier), ())
