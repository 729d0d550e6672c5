"""Options of `curate train` that do not go together, and those that mean nothing alone: one table, one refusal.

Nothing that was typed is dropped in silence: what is not in the table is obeyed in every combination.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from curation.errors import RunError


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """An option and those it does not go with."""

    option: str
    others: tuple[str, ...]
    expected: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """An option that means something only beside one of others."""

    option: str
    others: tuple[str, ...]
    remedy: str


APART = (
    Apart(
        option="--seed", others=("--seeds",), expected="one way to say which runs", remedy="drop --seed or --seeds"
    ),
    Apart(
        option="--anneal-on", others=("--seeds", "--budgets", "--launch-script"),
        expected="one run at a time", remedy="give --tier and --seed",
    ),
    Apart(
        option="--launch-script", others=("--seeds", "--budgets"),
        expected="one run a script", remedy="write a script for each --tier and --seed",
    ),
    Apart(
        option="--recover", others=("--replay-interventions",),
        expected="a replay, which meets no answer of its own", remedy="drop one",
    ),
    *(
        Apart(
            option=option, others=("--budgets", "--anneal-on", "--launch-script"),
            expected="single runs", remedy="drop one of them",
        )
        for option in ("--recover", "--replay-interventions")
    ),
    Apart(
        option="--track", others=("--seeds", "--launch-script"),
        expected="one run in this process", remedy="train each --seed by itself, or drop --track",
    ),
    Apart(
        option="--out", others=("--launch-script",),
        expected="a script that trains and exports nothing",
        remedy="give the command with --out, without --launch-script, once the script has ended",
    ),
    *(
        Apart(
            option=option, others=("--seeds", "--budgets"),
            expected="one run on several cards", remedy=f"give --tier and --seed, or drop {option}",
        )
        for option in ("--gpus", "--nodes")
    ),
)  # fmt: skip
NEEDS = (
    Needs(option="--jobs", others=("--seeds",), remedy="give --seeds 1-4, or drop --jobs"),
    Needs(option="--slurm", others=("--launch-script",), remedy="give --launch-script FILE, or drop --slurm"),
    *(
        Needs(
            option=option, others=("--dry-run", "--launch-script"),
            remedy=f"write a script with --launch-script FILE, plan with --dry-run, or drop {option}",
        )
        for option in ("--gpus", "--nodes")
    ),
)  # fmt: skip


def refuse_combination(given: Mapping[str, object]) -> None:
    """Raise RunError if options, by their `--name`, do not go together; None and False are not given."""
    there = {name: value for name, value in given.items() if value is not None and value is not False}
    for rule in APART:
        for other in rule.others:
            if rule.option in there and other in there:
                raise RunError(f"{_said(rule.option, there)} with {other}, expected {rule.expected}; {rule.remedy}")
    for need in NEEDS:
        if need.option in there and not any(other in there for other in need.others):
            others = " or ".join(need.others)
            raise RunError(f"{_said(need.option, there)} without {others}, expected it beside that; {need.remedy}")


def _said(option: str, there: Mapping[str, object]) -> str:
    value = there[option]
    return f"{option}: {'given' if value is True else value}"
