"""What a tier is too small for is said beside its scores."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from train.evals.results import Metric, ModelFacts, Results, SuiteFacts, TaskResult
from train.evals.suite_view import draw_results


def drawn(tier: str | None) -> str:
    task = TaskResult(
        family="knowledge",
        kind="mc",
        shots=0,
        n=100,
        digest="0" * 8,
        primary="bits_per_byte_corr",
        accuracy="acc_per_char",
        above_chance=True,
        baseline_v1=0.25,
        baseline_v2=0.25,
        metrics={"bits_per_byte_corr": Metric(value=1.2, n=100), "acc_per_char": Metric(value=0.4321, n=100)},
    )
    results = Results(
        model=ModelFacts(name="m", digest="0" * 8, tier=tier),
        suite=SuiteFacts(name="small", version="1", digest="0" * 8),
        context=512,
        metric_versions={},
        software={},
        tasks={"mmlu_rc": task},
    )
    console = Console(width=160, file=io.StringIO())
    draw_results(console, results, "out")
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    ("tier", "accuracy_shown", "judged"),
    [("nano-1x", False, False), ("400m-1x", False, True), ("1b-1x", True, True), (None, True, True)],
)
def test_mmlu_accuracy_is_hidden_below_1b_and_bits_are_judged_from_micro(
    tier: str | None, accuracy_shown: bool, judged: bool
) -> None:
    told = drawn(tier)
    assert ("0.4321" in told) is accuracy_shown
    assert ("accuracy says nothing" in told) is not accuracy_shown
    assert ("Not judged" in told) is not judged
    assert "1.2000" in told
