"""What would make a study's result `insufficient`, said before anything is spent, each with the edit that mends it.

The rules are those by which `leaderboard.studies.verdict` refuses finished runs; what only finished runs can tell (a
training that fails, noise that is louder than measured) is not foreseen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from curation.files import Json
from curation.slices import domain_of
from curation.store import Artifact
from leaderboard.studies.arms import Arm
from leaderboard.studies.kinds import load_protocol, stage_of
from leaderboard.studies.study import BASELINE, Study
from leaderboard.studies.verdict import MAX_EPOCH_RATIO, MAX_EPOCHS, budgets_text, is_laptop_tier
from train.branches import with_budget
from train.tiers import load_tier

if TYPE_CHECKING:
    from leaderboard.studies.plan_costs import Effect
    from leaderboard.studies.plan_rows import PlanRow

MIN_BYTES = 1_000_000
"""Of a panel's slice that may be judged (rule 5; `leaderboard.compare_arms`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """One reason for which a result would decide nothing."""

    rule: int
    tier: str
    """Empty: at every tier."""
    arm: str
    """Empty: of every arm."""
    text: str
    mend: str
    """The edit of the study, or the command, that takes the reason away."""

    @property
    def told(self) -> str:
        """The whole line."""
        place = ", ".join(filter(None, [self.arm, self.tier]))
        return f"would be insufficient{f' ({place})' if place else ''}: {self.text} (rule {self.rule}); {self.mend}"

    def as_json(self) -> dict[str, Json]:
        """Return the reason for machines."""
        return {
            "rule": self.rule, "tier": self.tier, "arm": self.arm, "text": self.told, "mend": self.mend,
        }  # fmt: skip


def doubts_of(
    study: Study,
    arms: Sequence[Arm],
    rows: Sequence[PlanRow],
    effects: Mapping[str, Effect],
    panel: Artifact | None,
) -> list[Doubt]:
    """Return every foreseeable reason, by rule, tier and arm; empty when runs may decide."""
    found = [
        *_evidence(study),
        *_seeds(study),
        *_noise(effects),
        *_budgets(study),
        *_panel(study, arms, panel),
        *_controls(arms, rows),
        *_repeats(rows),
    ]
    return sorted(found, key=lambda one: (one.rule, one.tier, one.arm))


def _evidence(study: Study) -> Iterator[Doubt]:
    if all(is_laptop_tier(tier) for tier in study.tiers):
        names = ", ".join(study.tiers)
        yield Doubt(
            rule=18,
            tier="",
            arm="",
            text=f"only laptop tiers ({names}), which are plumbing: evidence starts at micro",
            mend="add a tier from micro on, e.g. --set tiers.micro=3",
        )


def _seeds(study: Study) -> Iterator[Doubt]:
    for tier, seeds in study.tiers.items():
        if seeds < 2:
            yield Doubt(
                rule=8,
                tier=tier,
                arm="",
                text="one seed: seed noise is unknown",
                mend=f"give at least two, better three: `tiers: {{{tier}: 3}}`",
            )
            continue
        stage, protocol = stage_of(tier), load_protocol(study.kind)
        least = protocol.min_seeds(stage.name) if stage else 1
        if stage and seeds < least:
            yield Doubt(
                rule=8,
                tier=tier,
                arm="",
                text=f"{seeds} seeds: a {protocol.name} study has at least {least} at stage {stage.name}",
                mend=f"`tiers: {{{tier}: {least}}}`",
            )


def _noise(effects: Mapping[str, Effect]) -> Iterator[Doubt]:
    for tier, effect in effects.items():
        if effect.why:
            yield Doubt(rule=9, tier=tier, arm="", text=effect.why, mend=f"measure it: {effect.mend}")


def _budgets(study: Study) -> Iterator[Doubt]:
    protocol = load_protocol(study.kind)
    models: dict[str, set[float]] = {}
    for name in study.tiers:
        tier = load_tier(name)
        if tier.lr_multiplier == 1:
            models.setdefault(tier.model, set()).add(tier.multiple)
    for model, multiples in models.items():
        if len(multiples) < protocol.budgets.min_multiples:
            yield Doubt(
                rule=16,
                tier=model,
                arm="",
                text=budgets_text(len(multiples), protocol),
                mend=_more_budgets(study, model, multiples),
            )


def _more_budgets(study: Study, model: str, multiples: set[float]) -> str:
    """Return the `--set` that adds another budget of a model: half of the longest that there is, from one plateau."""
    longest = max(multiples)
    tiers = {**study.tiers, **_beside(study, model, longest)}
    listed = ", ".join(f"{name}: {seeds}" for name, seeds in tiers.items())
    return f"add a budget: --set 'budgets=[]' --set 'tiers={{{listed}}}'; they share one plateau"


def _beside(study: Study, model: str, longest: float) -> dict[str, int]:
    for name, seeds in study.tiers.items():
        tier = load_tier(name)
        if (tier.model, tier.multiple, tier.lr_multiplier) == (model, longest, 1):
            return {with_budget(tier, longest / 2).name: seeds}
    return {}


def _panel(study: Study, arms: Sequence[Arm], panel: Artifact | None) -> Iterator[Doubt]:
    selected = set(study.selected_for)
    if panel is None:
        asked = arms[0].recipe.panel.bytes_per_slice
        if asked < MIN_BYTES:
            yield Doubt(
                rule=5,
                tier="",
                arm="",
                text=f"the panel takes {asked:,} bytes a slice, under {MIN_BYTES:,}: no slice may be judged",
                mend="raise it: `panel: {bytes_per_slice: 2000000}`",
            )
        return
    slices = cast("Mapping[str, Mapping[str, Any]]", panel.summary["slices"])
    judged = [name for name, one in slices.items()
              if one.get("judged") and not {name, name.partition("/")[0]} & selected
              and domain_of(name) != "noisy-web"]  # fmt: skip
    if not judged:
        most = max((int(one.get("families", 0)) for one in slices.values()), default=0)
        size = max((int(one.get("bytes", 0)) for one in slices.values()), default=0)
        yield Doubt(
            rule=5,
            tier="",
            arm="",
            text=f"no slice of the panel has 50 families and 1 MB (at most {most} and {size / 1e6:.2f} MB)",
            mend="raise `panel: {bytes_per_slice: 2000000, max_fraction: 0.2}`, or use a larger pool",
        )
    for name in (*study.protect, *study.trade):
        if name not in slices and not any(one.startswith(f"{name}/") for one in slices):
            yield Doubt(
                rule=13,
                tier="",
                arm="",
                text=f"slice {name}, which must hold, is not in the panel",
                mend=f"take it out of `protect`, or use a pool with more of {name}",
            )


def _controls(arms: Sequence[Arm], rows: Sequence[PlanRow]) -> Iterator[Doubt]:
    """Controls that are far larger or smaller than their arm, in corpora that exist."""
    by_name = {row.arm: row for row in rows if not row.estimated}
    for control in (arm for arm in arms if arm.role == "random-matched"):
        own, other = by_name.get(control.of), by_name.get(control.name)
        if own is None or other is None or not own.kept_tokens or not other.kept_tokens:
            continue
        high, low = max(own.kept_tokens, other.kept_tokens), min(own.kept_tokens, other.kept_tokens)
        if high > MAX_EPOCH_RATIO * low:
            yield Doubt(
                rule=3,
                tier="",
                arm=control.of,
                text=f"{control.name} keeps {other.kept_tokens:,} tokens, {control.of} {own.kept_tokens:,}: no control",
                mend="loosen the filter, or put it before the stages that remove more of one than of the other",
            )


def _repeats(rows: Sequence[PlanRow]) -> Iterator[Doubt]:
    """Arms whose epochs are too far from the baseline's for a quality claim, and runs that would not be started."""
    base = {one.tier: one.epochs for row in rows if row.arm == BASELINE for one in row.tiers}
    for row in (row for row in rows if row.role in ("baseline", "arm")):
        for one in row.tiers:
            reference = base.get(one.tier)
            if one.refused:
                yield Doubt(rule=4, tier=one.tier, arm=row.arm, text=one.refused, mend="nothing is trained before that")
            elif row.role == "arm" and one.epochs and reference:
                high, low = max(one.epochs, reference), min(one.epochs, reference)
                if high > MAX_EPOCHS and high / low > MAX_EPOCH_RATIO:
                    about = "about " if row.estimated else ""
                    yield Doubt(
                        rule=4,
                        tier=one.tier,
                        arm=row.arm,
                        text=f"{about}{one.epochs:.2f} epochs against {reference:.2f}: no quality claim over "
                        f"{MAX_EPOCHS:g} unmatched epochs",
                        mend="give the pool more text, or choose a smaller budget for the tier",
                    )
