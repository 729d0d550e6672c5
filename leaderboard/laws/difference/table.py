"""From a table of runs to the rows of a comparison: names of recipes, rule 6, one panel, epochs, the plain ranking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.errors import LawError, nearest
from curation.tables import Array, mapped
from leaderboard.laws.compute import completed, derived
from leaderboard.laws.difference.paired import Points, Rows, Scale, cells_of
from leaderboard.laws.families import check_one_family
from leaderboard.laws.law import Card, Data, Variable
from leaderboard.laws.levels import SAME_SIZE
from leaderboard.laws.rows import checked_rows

MAX_EPOCHS_RATIO = 1.25
"""Rule 4: arms that differ by more in epochs compare only through the equal-keep controls."""
TEXTS = ("recipe", "seed", "tier", "panel", "epochs")
"""Columns that are read under their own name where they are not mapped."""

CARD = Card(
    name="compare",
    title="two recipes by the law of their difference",
    formula="D = ln L of the candidate - ln L of the baseline, as a function of N, D, C",
    source="rule 12 of the project's rules",
    variables=(
        Variable(name="N", unit="parameters", meaning="model size", required=False),
        Variable(name="D", unit="tokens", meaning="tokens seen", required=False),
        Variable(name="C", unit="FLOPs", meaning="training compute; without it 6 N D", required=False),
        Variable(name="L", unit="nats per token (or any loss)", meaning="final loss"),
    ),
    params=(),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A recipe at the smallest size that both recipes have: mean loss over its runs."""

    recipe: str
    loss: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Runs of all recipes, checked."""

    data: Data
    recipes: tuple[str, ...]
    seeds: tuple[str, ...]
    tiers: tuple[str, ...]
    panels: tuple[str, ...]
    epochs: npt.NDArray[np.float64]

    def of(self, baseline: str, candidate: str, where: str) -> tuple[Rows, npt.NDArray[np.bool_]]:
        """Return the runs of two recipes and which rows of the table they are.

        Raises: LawError for tiers of several families (rule 6) or several panels (rule 1) among them.
        """
        names = np.array(self.recipes, object)
        mine = (names == baseline) | (names == candidate)
        check_one_family((tier for tier, keep in zip(self.tiers, mine, strict=True) if keep and tier), where)
        panels = sorted({panel for panel, keep in zip(self.panels, mine, strict=True) if keep and panel})
        if len(panels) > 1:
            raise LawError(
                f"{where}: losses on {len(panels)} panels ({', '.join(panels)}); expected one panel digest for "
                "every arm (rule 1); choose one with --where"
            )
        columns = self.data.columns
        missing = np.full(int(mine.sum()), np.nan)
        sizes, tokens = (columns[name][mine] if name in columns else missing for name in ("N", "D"))
        flops = columns["C"][mine]
        rows = Rows(
            sizes=sizes,
            tokens=tokens,
            flops=flops,
            loss=columns["L"][mine],
            is_candidate=(names[mine] == candidate).astype(np.float64),
            seeds=tuple(seed for seed, keep in zip(self.seeds, mine, strict=True) if keep),
            cells=cells_of(sizes, tokens, flops),
        )
        return rows, mine

    def named(self, name: str, option: str, where: str) -> str:
        """Return the recipe of a name, or of a beginning that only one has.

        Raises: LawError for a name that no run has.
        """
        known = sorted(set(self.recipes))
        if name in known:
            return name
        begun = [other for other in known if other.startswith(name)]
        if len(begun) == 1:
            return begun[0]
        hint = f"begins {len(begun)} names: {', '.join(begun)}" if begun else nearest(name, known)
        raise LawError(f"{where}: {option}: no run has the recipe `{name}`; {hint}")

    def epochs_note(self, baseline: str, candidate: str) -> list[str]:
        """Return a warning when the recipes differ in epochs by more than rule 4 allows."""
        names = np.array(self.recipes, object)
        means = [float(np.mean(self.epochs[names == name])) for name in (baseline, candidate)]
        if not all(np.isfinite(value) and value > 0 for value in means):
            return []
        ratio = max(means) / min(means)
        if ratio <= MAX_EPOCHS_RATIO:
            return []
        return [
            f"epochs differ {ratio:.2f}x ({means[0]:.2f} and {means[1]:.2f}): more than {MAX_EPOCHS_RATIO}x compares "
            "only through the equal-keep controls (rule 4)"
        ]

    def ranking(self, place: Points, scale: Scale) -> tuple[Ranked, ...]:
        """Return all recipes at one size, best first, as a plain look at the losses would rank them."""
        near = np.ones(self.data.n, bool)
        for name, at in (("N", place.sizes), ("D", place.tokens), ("C", place.flops)):
            value = float(np.squeeze(at))
            if name in self.data.columns and np.isfinite(value):
                near &= np.abs(np.log(self.data.columns[name] / value)) <= np.log(SAME_SIZE)
        names, loss = np.array(self.recipes, object), self.data.columns["L"]
        found = []
        for name in sorted(set(names[near].tolist())):
            mine = loss[near & (names == name)]
            mean = float(np.exp(np.mean(np.log(mine)))) if scale == "log" else float(np.mean(mine))
            found.append(Ranked(recipe=name, loss=mean, n=len(mine)))
        return tuple(sorted(found, key=lambda one: (one.loss, one.recipe)))


def table_of(columns: Mapping[str, Array], mapping: Mapping[str, str], where: str) -> Table:
    """Return the checked runs of a table; recipe, seed, tier, panel and epochs are found by name where not mapped.

    Raises: LawError for missing variables; rows without a sound loss are dropped and counted.
    """
    texts = {name: mapping.get(name, name) for name in TEXTS if name in mapping or name in columns}
    if "recipe" not in texts:
        raise LawError(f"{where}: no column is the recipe; add --map recipe=COLUMN; columns: {', '.join(columns)}")
    numbers = {name: source for name, source in mapping.items() if name not in TEXTS}
    found = mapped(columns, texts, where)
    table = {**mapped(columns, numbers, where), "run": np.arange(len(found["recipe"]))}
    data = completed(checked_rows(CARD, table), ("C",), CARD.name)
    if not {"N", "D"} <= set(data.columns):
        only = {name: values for name, values in data.columns.items() if name not in ("N", "D")}
        data = Data(columns=only, groups=data.groups, dropped=data.dropped, notes=data.notes)
    kept = data.groups

    def words(name: str) -> tuple[str, ...]:
        values = found[name][kept].tolist() if name in found else [None] * len(kept)
        return tuple("" if _missing(value) else _word(value) for value in values)

    epochs = found["epochs"][kept] if "epochs" in found else np.full(len(kept), np.nan)
    return Table(
        data=data,
        recipes=words("recipe"),
        seeds=words("seed"),
        tiers=words("tier"),
        panels=words("panel"),
        epochs=np.array([value if isinstance(value, float) else np.nan for value in epochs.tolist()], np.float64),
    )


def target_of(inputs: Mapping[str, float]) -> Points:
    """Return the target of `--at`: N and D, or C (with N or D the third follows from C = 6 N D).

    Raises: LawError for anything else.
    """
    wrong = sorted(set(inputs) - {"N", "D", "C"})
    if wrong:
        raise LawError(f"--at: no input {', '.join(wrong)}; expected N=...,D=... or C=...")
    if len(inputs) < 2 and "C" not in inputs:
        raise LawError(f"--at: got {', '.join(inputs) or 'nothing'} alone; expected N=...,D=... or C=...")
    given = {name: np.array([value], np.float64) for name, value in inputs.items()}
    for name in ("N", "D", "C"):
        if name not in given:
            values, _ = derived(given, name)
            given[name] = np.array([np.nan]) if values is None else values
    return Points(sizes=given["N"], tokens=given["D"], flops=given["C"])


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _word(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
