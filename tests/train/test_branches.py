"""One plateau, several budgets: the same bytes as trained straight through, for less."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import RunError
from curation.files import sha256_file
from curation.nodes import Node, Planner
from curation.progress import SilentProgress
from curation.store import Artifact, Store
from train.branches import branch_step, branch_steps, line_of, plateaus, refuse_unbranched, remove_plateaus, with_budget
from train.run import Watch, run_node
from train.shards import tokens_node
from train.tiers import TIERS, Tier, load_tier, tier_digest

PICO = "ladder-pico@1"
BUDGETS = (0.5, 1.0, 2.0, 4.0)
Straight = Callable[[str], dict[str, str]]


class Notes(SilentProgress):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


class Runs:
    """Trains the tiny tier in a store of its own and counts the steps it really took."""

    def __init__(self, root: Path, corpus: Node, panel: Node) -> None:
        self.store = Store.open(root)
        self.notes = Notes()
        self.steps: list[int] = []
        self.planner = Planner(store=self.store, workers=1, progress=self.notes)
        self.tokens, self.panel = tokens_node(corpus, PICO), panel

    def train(self, tier: str, seed: int = 1, keep: tuple[float, ...] = BUDGETS) -> Artifact:
        watch = Watch(report=lambda now: self.steps.append(now.step), keep=keep)
        return self.planner.materialise(run_node(self.tokens, self.panel, tier, seed, watch))

    def plateaus(self, tier: Tier, seed: int = 1) -> dict[int, Path]:
        return plateaus(self.store, line_of(tier, self.tokens.fingerprint, seed, panel=self.panel.fingerprint))


def files(run: Artifact) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in run.path.iterdir() if path.name != "build.lock"}


@pytest.fixture
def runs(tmp_path: Path, small_corpus: Node, small_panel: Node) -> Callable[[str], Runs]:
    """Return a function that opens a store by name, with the corpus and panel of `straight`."""
    return lambda name: Runs(tmp_path / name, small_corpus, small_panel)


@pytest.fixture(scope="module")
def trained_before() -> dict[str, dict[str, str]]:
    """Return where `straight` keeps what it trained."""
    return {}


@pytest.fixture
def straight(
    tmp_path: Path, tiny: Tier, small_corpus: Node, small_panel: Node, trained_before: dict[str, dict[str, str]]
) -> Straight:
    """Return a function: budget -> digests of the files of its run, trained from step 0 in a store of its own."""

    def trained(multiple: str) -> dict[str, str]:
        if multiple not in trained_before:
            apart = Runs(tmp_path / "straight", small_corpus, small_panel)
            trained_before[multiple] = files(apart.train(f"tiny-{multiple}x", keep=()))
            assert len(apart.steps) == load_tier(f"tiny-{multiple}x").num_steps
        return trained_before[multiple]

    return trained


@pytest.mark.parametrize(
    ("order", "trained"),
    # tiny-1x has 40 steps and falls over the last 8: budgets of 20, 40, 80, 160 steps fall at 16, 32, 64, 128;
    # the four cost 4.7 budgets of 40 instead of 7.5
    [(("0.5", "1", "2", "4"), 188), (("4", "2", "1", "0.5"), 188), (("1", "0.5"), 44)],
)
def test_budgets_from_one_plateau_are_the_bytes_of_runs_from_step_0_in_any_order(
    tiny: Tier,
    runs: Callable[[str], Runs],
    straight: Straight,
    order: tuple[str, ...],
    trained: int,
) -> None:
    shared = runs("shared")
    assert {m: files(shared.train(f"tiny-{m}x")) for m in order} == {m: straight(m) for m in order}
    assert len(shared.steps) == trained


def test_a_run_takes_nothing_of_another_seed_rate_or_corpus(
    tiny: Tier, runs: Callable[[str], Runs], small_panel: Node, make_corpus: Callable[..., Node], tmp_path: Path
) -> None:
    first = runs("one")
    first.train("tiny-1x")
    before = len(first.steps)
    first.train("tiny-0.5x", seed=2)
    first.train("tiny-0.5x@lr2")
    other = Runs(tmp_path / "one", make_corpus({"web": ["the cat sat on a mat " * 40] * 50}), small_panel)
    other.train("tiny-0.5x")
    assert (len(first.steps) - before, len(other.steps)) == (40, 20)
    assert not [text for text in first.notes.said + other.notes.said if "starts from" in text]


def test_a_run_takes_nothing_of_another_panel_whose_scores_would_be_in_its_rows(
    tiny: Tier, runs: Callable[[str], Runs], make_panel: Callable[..., Node], small_corpus: Node, tmp_path: Path
) -> None:
    first = runs("one")
    first.train("tiny-1x")
    other = Runs(tmp_path / "one", small_corpus, make_panel({"web": ["another panel of some words"]}))
    assert not other.plateaus(tiny)
    other.train("tiny-0.5x", keep=())
    assert len(other.steps) == 20
    assert set(first.plateaus(tiny)) == {16, 32}


def test_a_plateau_past_the_own_fall_is_of_no_use(tiny: Tier, runs: Callable[[str], Runs]) -> None:
    one = runs("one")
    one.train("tiny-2x", keep=(2.0,))
    assert set(one.plateaus(tiny)) == {64}
    one.train("tiny-1x", keep=())
    assert len(one.steps) == 80 + 40


def test_a_damaged_plateau_costs_time_but_no_byte(tiny: Tier, runs: Callable[[str], Runs], straight: Straight) -> None:
    one = runs("one")
    one.train("tiny-2x")
    (newest := one.plateaus(tiny)[32]).joinpath("tensors.safetensors").write_bytes(b"damaged")
    again = one.train("tiny-1x")
    assert files(again) == straight("1")
    assert any(f"{newest}: tensors.safetensors does not have the sha256" in text for text in one.notes.said)
    assert len(one.steps) == 80 + 24  # from the one before it, at step 16
    assert set(one.plateaus(tiny)) == {16, 32, 64}


def test_a_plateau_that_cannot_be_written_stops_no_run(
    tiny: Tier, runs: Callable[[str], Runs], monkeypatch: pytest.MonkeyPatch
) -> None:
    import train.branches

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(train.branches, "write_json", full)
    one = runs("one")
    one.train("tiny-1x")
    assert any("plateau after 32 steps was not kept" in text and "No space left" in text for text in one.notes.said)
    assert not one.plateaus(tiny)


def test_nothing_is_kept_unless_asked_for_and_all_can_be_removed(tiny: Tier, runs: Callable[[str], Runs]) -> None:
    one = runs("one")
    one.train("tiny-1x", keep=())
    assert not one.plateaus(tiny)
    one.train("tiny-2x", keep=BUDGETS)
    sizes = sum(path.stat().st_size for folder in one.plateaus(tiny).values() for path in folder.glob("*.*t*s*"))
    assert remove_plateaus(one.store) >= sizes > 3 * 12 * tiny.shape.total_params
    assert not list(one.store.root.glob("plateau-*"))


def test_a_cosine_tier_has_no_plateau_to_share() -> None:
    cosine = load_tier("dclm-1b")
    with pytest.raises(RunError, match=r"--budgets: tier dclm-1b-1x has a cosine schedule.*expected a tier with a pl"):
        refuse_unbranched(cosine, "--budgets")
    refuse_unbranched(load_tier("nano"), "--budgets")
    assert branch_steps(cosine, BUDGETS) == frozenset()


@pytest.mark.parametrize("model", [name for name, tier in TIERS.items() if tier.schedule == "wsd"])
def test_every_budget_of_a_model_is_on_one_line_and_every_probe_on_its_own(model: str) -> None:
    lines = {line_of(load_tier(f"{model}-{m:g}x"), "t", 1).digest for m in (0.1, *BUDGETS)}
    assert len(lines) == 1
    assert line_of(load_tier(f"{model}-1x@lr2"), "t", 1).digest not in lines
    assert tier_digest(load_tier(f"{model}-2x")) != tier_digest(load_tier(model))


def test_another_budget_keeps_the_probe_of_the_rate() -> None:
    assert with_budget(load_tier("nano-2x@lr0.5"), 4).name == "nano-4x@lr0.5"


@given(st.sampled_from(["pico", "nano", "micro", "1b"]), st.floats(0.05, 8), st.floats(0.05, 8))
def test_before_the_earlier_branch_point_two_budgets_are_one(model: str, a: float, b: float) -> None:
    short, long = (load_tier(f"{model}-{m:.3f}x") for m in sorted((a, b)))
    start = branch_step(short)
    assert 0 <= start <= branch_step(long)
    assert branch_steps(long, [short.multiple]) == ({start} if start else frozenset())
    assert all(short.learning_rate_at(s) == long.learning_rate_at(s) for s in {0, start // 3, start // 2, start})
