"""A study of two tiers, trained: an arm whose text was destroyed dies at the first, the other climbs to the second."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from curation.progress import SilentProgress
from curation.randomness import generator
from curation.store import Store
from curation.tokenizers import load_tokenizer
from leaderboard.gates.collect import evidence_of
from leaderboard.gates.definition import load_gates
from leaderboard.gates.judge import judge
from leaderboard.studies.plan import plan_study
from leaderboard.studies.results import RESULT_FILE
from leaderboard.studies.run import Ran, run_study
from leaderboard.studies.status import study_status
from leaderboard.studies.study import Study, load_study
from leaderboard.studies.training import RunPlan

pytestmark = pytest.mark.slow
WORDS = ["the", "model", "reads", "text", "and", "counts", "bytes", "of", "every", "slice", "that", "a", "pool", "has"]
FIRST, SECOND = "pico-0.08x", "pico-0.09x"


def prose(rng: Any) -> str:
    """Return some 150 words that a model learns at once."""
    return "\n".join(" ".join(rng.choice(WORDS, 12)) + "." for _ in range(14))


def destroyed(rng: Any, pieces: Sequence[str]) -> str:
    """Return some 330 words of tokens drawn alike: nothing can be predicted of it."""
    return " ".join("".join(rng.choice(pieces, 2)) for _ in range(330))


def write_study(folder: Path) -> Path:
    """Write a pool of prose and of destroyed text, and a study of two filters: one keeps only the latter."""
    rng = generator(1, "climb")
    tokenizer = load_tokenizer("ladder-pico@1")
    pieces = [tokenizer.decode([number]).decode("latin-1") for number in range(300, tokenizer.vocab_size)]
    pieces = [piece for piece in pieces if piece.isascii() and piece.isalpha()]
    with (folder / "pool.jsonl").open("w") as stream:
        for number in range(600):
            text, name = (prose(rng), "docs") if number % 4 else (destroyed(rng, pieces), "notes")
            stream.write(json.dumps({"text": text, "slice": name, "site": f"{name}-{number % 60}"}) + "\n")
    path = folder / "climb.yaml"
    path.write_text(
        "hypothesis: prose teaches more than noise\nkind: filter\nbase: baseline\n"
        f"pool: {{path: {folder / 'pool.jsonl'}, family: site}}\n"
        "vary:\n  prose: {filter: word-count, max_words: 300}\n  noise: {filter: word-count, min_words: 300}\n"
        f"panel: {{bytes_per_slice: 8000}}\ntiers: {{{SECOND}: 1, {FIRST}: 1}}\nepochs: 4\n"
    )
    return path


@dataclass(frozen=True, kw_only=True)
class Story:
    """The study, run to the end, and once more."""

    path: Path
    study: Study
    store: Store
    ran: Ran
    trained: list[list[str]]
    """Labels of the runs asked for, call by call."""
    first_bytes: bytes
    again_bytes: bytes


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Eleven trainings of 59 steps and less."""
    from leaderboard.studies import climb

    folder = tmp_path_factory.mktemp("climb")
    path = write_study(folder)
    study, store = load_study(path), Store.open(folder / "store")
    asked: list[list[str]] = []
    train = climb.train_missing

    def noted(plans: Sequence[RunPlan], *rest: Any) -> Any:
        asked.append([plan.label for plan in plans])
        return train(plans, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(climb, "train_missing", noted)
        ran = run_study(study, "climb.yaml", store=store, workers=2, progress=SilentProgress())
    first = (ran.folder / RESULT_FILE).read_bytes()
    run_study(study, "climb.yaml", store=store, workers=2, progress=SilentProgress())
    return Story(
        path=path, study=study, store=store, ran=ran, trained=asked,
        first_bytes=first, again_bytes=(ran.folder / RESULT_FILE).read_bytes(),
    )  # fmt: skip


def test_the_destroyed_arm_stops_at_g0_and_the_other_goes_on(story: Story) -> None:
    told = [(item.tier, item.arm, item.gate, item.promoted) for item in story.ran.result.facts.promotion]
    assert told == [(FIRST, "prose", "G0", True), (FIRST, "noise", "G0", False), (SECOND, "prose", "G0", True)]
    reason = story.ran.result.facts.promotion[1]
    assert "final loss" in reason.reason
    assert all(name.startswith("study-result-") for name in reason.evidence)


def test_the_sound_arm_passes_every_condition_of_g0_and_the_destroyed_one_fails_it(story: Story) -> None:
    result = story.ran.result
    sound = judge(evidence_of(result, "prose"), load_gates(), "G0")
    assert {one.name: one.state for one in sound.conditions} == dict.fromkeys(
        (one.name for one in sound.conditions), "pass"
    )
    assert sound.decision == "scale-up"
    broken = judge(evidence_of(result, "noise"), load_gates(), "G0")
    assert broken.decision == "reject"
    assert [one.name for one in broken.conditions if one.state == "fail"] == ["training"]


def test_one_check_of_the_machinery_serves_both_budgets_of_a_model_and_every_arm(story: Story) -> None:
    found = story.ran.result.facts.decision.plumbing
    assert [(one.tier, one.arm, one.why) for one in found] == [(FIRST, "", ""), (SECOND, "", "")]
    assert len({one.artifact for one in found}) == 1
    assert len(list(story.store.root.glob("plumbing-*"))) == 1


def test_reports_and_epochs_at_the_largest_tier_are_there(story: Story) -> None:
    result = story.ran.result
    found = {one.name: one.state for one in result.facts.decision.reports}
    assert found == dict.fromkeys(("decontamination", "provenance", "monitoring", "rollback-plan"), "valid")
    supply = {item.arm: item.epochs for item in result.supply if item.tier == SECOND}
    epochs = result.facts.decision.epochs_at_target
    assert {arm: epochs[arm] for arm in supply} == pytest.approx(supply, rel=0.02)
    assert "noise" in epochs


def test_the_cheaper_tier_is_trained_first_whatever_the_study_lists_first(story: Story) -> None:
    assert [labels[0].split()[1] for labels in story.trained] == [FIRST, SECOND]


def test_controls_follow_their_arm_and_the_baseline_any(story: Story) -> None:
    assert {label.split()[0] for label in story.trained[1]} == {
        "baseline", "prose", "prose.random", "prose.random-matched",
    }  # fmt: skip


def test_the_destroyed_arm_enters_no_table(story: Story) -> None:
    result = story.ran.result
    assert result.broken == {"noise", "noise.random", "noise.random-matched"}
    page = story.ran.page.read_text()
    assert "prose <span" in page
    assert 'noise <span class="soft">at' not in page
    assert "1 of 2 arms stopped at pico-0.08x" in page


def test_a_second_run_trains_nothing_and_writes_the_same_bytes(story: Story) -> None:
    assert story.first_bytes == story.again_bytes


def test_the_state_says_who_was_not_let_on(story: Story) -> None:
    status = study_status(story.ran.folder, story.store)
    assert (status.state, status.count("trained"), status.count("not-let-on", SECOND)) == ("finished", 11, 3)


def test_the_facts_of_runs_and_corpora_are_kept(story: Story) -> None:
    result = story.ran.result
    assert all(run.facts is not None and run.facts.finite for run in result.runs)
    checked = [arm.integrity for arm in result.arms]
    assert all(one is not None and (one.empty_docs, one.roundtrip_docs) == (0, one.roundtrip_exact) for one in checked)
    assert {item.phase for item in result.facts.checkpoints} >= {"end"}
    assert {cost.tier for cost in result.facts.costs} == {"", FIRST, SECOND}


def test_the_plan_knows_that_everything_is_there(story: Story) -> None:
    plan = plan_study(story.study, "climb.yaml", store=story.store, progress=SilentProgress())
    assert {row.tier: (row.runs_reused, row.runs_to_train) for row in plan.tiers} == {FIRST: (7, 0), SECOND: (4, 3)}
    assert plan.fingerprint == story.ran.result.fingerprint
