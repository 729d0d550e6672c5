"""Several budgets of one model from one plateau: `curate train CORPUS --tier nano --budgets 0.5,1,2,4`.

Shortest first: each run starts where the one before it began to fall, so that every plateau step is trained once and a
result of the smallest budget is there early. The runs are those that one after another from step 0 would give.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from curation.errors import RunError
from curation.files import Json
from curation.nodes import Node, Planner, existing_node
from curation.store import Artifact
from train.branches import branch_step, branch_steps, line_of, plateaus, refuse_unbranched, with_budget
from train.many_runs import Wanted, train_runs
from train.metrics import Listener
from train.run import Watch, run_node
from train.shards import tokens_node
from train.supply import DEFAULT_EPOCHS, refuse_shortage, supply_of
from train.tiers import Tier, load_tier
from train.worker import stoppable_watch


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStep:
    """What making one run takes."""

    tier: Tier
    seed: int
    reused: bool
    """Whether the store has the run."""
    first_step: int
    """Of the plateau in the store or of a shorter budget; 0 from initial values."""

    @property
    def tokens(self) -> int:
        """Tokens to train."""
        return 0 if self.reused else (self.tier.num_steps - self.first_step) * self.tier.batch_tokens

    def as_json(self) -> dict[str, Json]:
        """Return the line of a plan."""
        return {
            "step": f"run {self.tier.name} seed {self.seed}",
            "action": "reuse" if self.reused else "build",
            "why": self.why,
            "first_step": self.first_step,
            "steps": self.tier.num_steps,
            "branch_step": branch_step(self.tier),
            "tokens": self.tokens,
        }

    @property
    def why(self) -> str:
        """The same in words."""
        if self.reused:
            return "the run is in the store"
        came = f"the plateau after {self.first_step:,} steps" if self.first_step else "initial values"
        return f"from {came} to step {self.tier.num_steps:,}: {self.tokens:,} of {self.tier.num_tokens:,} tokens"


def parse_budgets(text: str, tier: str, where: str = "--budgets") -> list[Tier]:
    """Return the tiers that `0.5,1,2,4` means for the model of `tier`, smallest first, each once.

    Raises: RunError for no numbers, a budget that the tier's name has already, a multiple outside (0, 16], or a tier
    without a plateau.
    """
    named = load_tier(tier, where="--tier")
    refuse_unbranched(named, where)
    if named.multiple != 1:
        raise RunError(
            f"--tier: `{tier}` with {where} {text}: two budgets, expected one way to say it; give --tier {named.model}"
        )
    try:
        multiples = sorted({float(part) for part in text.split(",")})
    except ValueError:
        raise RunError(f"{where}: `{text}`, expected multiples of 1x such as 0.5,1,2,4; correct it") from None
    return [with_budget(named, multiple) for multiple in multiples]


def kept_budgets(tiers: Sequence[Tier]) -> tuple[float, ...]:
    """Return the multiples whose branch points the runs of these tiers leave in the store."""
    return tuple(sorted({tier.multiple for tier in tiers}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Budgets to train: tiers of one model, smallest first, each with every seed."""

    planner: Planner
    corpus: Artifact
    panel: Artifact
    tiers: Sequence[Tier]
    seeds: Sequence[int]
    epochs: float = DEFAULT_EPOCHS
    """How often they may read the corpus (`train.supply`)."""

    @property
    def tokens(self) -> Node:
        """The node of the token streams that all of them read."""
        return tokens_node(existing_node(self.corpus), self.tiers[0].tokenizer)

    def run(self, tier: Tier, seed: int, watch: Watch | None = None) -> Node:
        """Return the node of one of the runs."""
        return run_node(self.tokens, existing_node(self.panel), tier.name, seed, watch)


def plan_budgets(asked: Asked) -> list[BudgetStep]:
    """Return what training them takes with what the store has, seed by seed."""
    store, steps = asked.planner.store, []
    for seed in asked.seeds:
        line = line_of(asked.tiers[0], asked.tokens.fingerprint, seed, panel=asked.panel.fingerprint)
        known = set(plateaus(store, line))
        for tier in asked.tiers:
            reused = store.find("run", asked.run(tier, seed).fingerprint) is not None
            usable = [step for step in known if step <= branch_step(tier)]
            steps.append(BudgetStep(tier=tier, seed=seed, reused=reused, first_step=max(usable, default=0)))
            if not reused:
                known |= branch_steps(tier, kept_budgets(asked.tiers))
    return steps


def train_budgets(
    asked: Asked,
    train: Callable[[Planner, Node], Artifact],
    *,
    jobs: int | None = None,
    listeners: tuple[Listener, ...] = (),
) -> list[Artifact]:
    """Return the runs, smallest budget first; one seed in this process by `train`, several as children side by side.

    Raises: RunError that names every run that failed, or for a corpus smaller than a budget.
    """
    streams, kept = asked.planner.materialise(asked.tokens), kept_budgets(asked.tiers)
    for tier in asked.tiers:
        refuse_shortage(supply_of(streams, tier), asked.epochs)
    if len(asked.seeds) == 1:
        watch = replace(stoppable_watch(None), keep=kept, listeners=listeners, epochs=asked.epochs)
        return [train(asked.planner, asked.run(tier, asked.seeds[0], watch)) for tier in asked.tiers]
    runs: list[Artifact] = []
    for tier in asked.tiers:
        wanted = [Wanted(tier=tier.name, seed=seed, keep=kept) for seed in asked.seeds]
        runs += train_runs(asked.planner, asked.corpus, asked.panel, wanted, jobs=jobs, epochs=asked.epochs)
    return runs


def cost_line(steps: Sequence[BudgetStep]) -> str:
    """Return what a plan costs beside runs one by one, in tokens and budgets of 1x."""
    tokens, apart = sum(step.tokens for step in steps), sum(step.tier.num_tokens for step in steps)
    unit = steps[0].tier.tokens_at_1x
    return (
        f"{tokens:,} tokens to train ({tokens / unit:.1f} D), {apart:,} ({apart / unit:.1f} D) one by one from step 0; "
        "D is the budget of 1x"
    )
