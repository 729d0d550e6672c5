"""Plumbing in studies: whose check an arm's is, and that what cannot be tried is said and stops nothing."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

import train.plumbing
from curation.errors import RunError
from curation.files import Json
from curation.nodes import Node, NodeRun, Planner
from curation.progress import SilentProgress
from curation.store import Store
from leaderboard.gates.collect import evidence_of
from leaderboard.gates.definition import load_gates
from leaderboard.gates.judge import judge
from leaderboard.studies.decision_facts import Plumbing
from leaderboard.studies.plumbing import plumbing_node, try_machinery
from train.tiers import load_tier

SLICES = {"docs": 60, "code": 55}
SOUND = Plumbing(
    tier="micro-1x", loader_reproducible=True, resume_exact=True, every_parameter_learns=True, export_max_logit=1e-6,
    export_nll=1e-9, tokens_decode=True, tried="micro as it is",
)  # fmt: skip


def empty(_: NodeRun) -> dict[str, Json]:
    return {}


TOKENS = Node(kind="tokens", version="1", params={}, inputs={}, run=empty)


@pytest.fixture
def planner(store: Store) -> Planner:
    return Planner(store=store, workers=1, progress=SilentProgress())


def states(result: Any) -> dict[str, str]:
    return {one.name: one.state for one in judge(evidence_of(result), load_gates(), "G0").conditions}


@pytest.fixture
def judged(make_result: Any) -> Any:
    """Return a maker of G0's states from facts of the machinery."""
    result = make_result(lambda *_: 2.0, SLICES, tier="micro-1x")

    def make(*facts: Plumbing, variant: str = "") -> dict[str, str]:
        runs = tuple(replace(run, variant=variant if run.arm == "mine" else "") for run in result.runs)
        decision = replace(result.facts.decision, plumbing=facts)
        return states(replace(result, runs=runs, facts=replace(result.facts, decision=decision)))

    return make


def test_facts_that_are_there_pass_and_each_broken_one_fails_its_condition(judged: Any) -> None:
    assert (judged(SOUND)["loader"], judged(SOUND)["export-parity"]) == ("pass", "pass")
    assert judged(replace(SOUND, loader_reproducible=False))["loader"] == "fail"
    assert judged(replace(SOUND, resume_exact=False))["loader"] == "fail"
    assert judged(replace(SOUND, export_max_logit=2e-4))["export-parity"] == "fail"
    assert judged(replace(SOUND, export_nll=2e-6))["export-parity"] == "fail"
    assert judged(replace(SOUND, every_parameter_learns=False))["training"] != "pass"


def test_an_arm_that_trains_a_variant_is_not_vouched_for_by_the_tier(judged: Any) -> None:
    variant = "micro-1x@muon"
    assert judged(SOUND, variant=variant)["loader"] == "insufficient"
    assert judged(SOUND, replace(SOUND, arm="mine"), variant=variant)["loader"] == "pass"
    assert judged(SOUND, replace(SOUND, arm="mine", resume_exact=False), variant=variant)["loader"] == "fail"


def test_what_cannot_be_tried_is_told_insufficient_and_tried_again(
    planner: Planner, judged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = train.plumbing.Finding(
        tried="micro", scaled_down=True, order_repeats=True, resume_exact=True, every_parameter_learns=True,
        without_gradient=(), export_max_logit=0.0, export_nll=0.0, tokens_decode=True,
    )  # fmt: skip
    answers: list[Any] = [RunError("streams: cannot be read; build them again"), finding]

    def flaky(*_: Any) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(train.plumbing, "try_plumbing", flaky)
    run: Any = SimpleNamespace(arm="baseline", tier="micro-1x", trained="micro-1x", tokens=TOKENS)
    (found,) = try_machinery([run], planner)
    assert found.resume_exact is None
    assert "cannot be read" in found.why
    assert judged(found)["loader"] == "insufficient"
    (again,) = try_machinery([run], planner)
    assert (again.resume_exact, again.why) == (True, "")


def test_the_check_is_made_anew_for_other_code_tokens_and_models_and_for_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def name(tier: str, tokens: Node = TOKENS) -> str:
        return plumbing_node(tokens, load_tier(tier)).fingerprint

    known = name("pico")
    assert known == name("pico-0.05x") == name("pico-2x@lr2")
    others = {name("nano"), name("pico@muon"), name("pico", replace(TOKENS, version="2"))}
    monkeypatch.setattr(train.plumbing, "code_digest", lambda: "0" * 64)
    others.add(name("pico"))
    assert len(others) == 4
    assert known not in others
