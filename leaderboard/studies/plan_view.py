"""A study's plan for a person and for machines."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, cast

from curation.console import printable
from curation.files import Json
from leaderboard.words import percent
from train.tiers import load_tier

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from leaderboard.studies.plan_rows import ArmTier, PlanRow, StudyPlan, TierRow


def plan_json(plan: StudyPlan) -> dict[str, Json]:
    """Return the plan as one object: study, fingerprint, arms, tiers, totals, insufficient."""
    return {
        "study": plan.study,
        "kind": plan.kind,
        "fingerprint": plan.fingerprint,
        "pool": plan.pool,
        "slices_checked": plan.pool == "known",
        "arms": [_arm_json(row) for row in plan.arms],
        "tiers": [_tier_json(row) for row in plan.tiers],
        "totals": {
            "arms": len(plan.arms),
            "runs_reused": sum(row.runs_reused for row in plan.tiers),
            "runs_to_train": sum(row.runs_to_train for row in plan.tiers),
            "kept_tokens": sum(row.kept_tokens or 0 for row in plan.arms),
            "cpu_hours": plan.cpu_hours,
            "gpu_hours": plan.gpu_hours,
            "disk_bytes": plan.disk.as_json(),
            "estimated": any(row.estimated for row in plan.arms),
        },
        "insufficient": [one.as_json() for one in plan.doubts],
        "decision": list(plan.decision),
        "versions_seen": [one.as_json() for one in plan.earlier],
    }


def _arm_json(row: PlanRow) -> dict[str, Json]:
    epochs: dict[str, Json] = dict(row.epochs)
    return {
        "arm": row.arm,
        "role": row.role,
        "of": row.of,
        "change": row.change,
        "estimated": bool(row.estimated),
        "estimated_from": row.estimated,
        "to_build": list(row.to_build),
        "filtered_docs": row.filtered_docs,
        "kept_docs": row.kept_docs,
        "kept_tokens": row.kept_tokens,
        "runs_reused": row.runs_reused,
        "runs_to_train": row.runs_to_train,
        "epochs": epochs,
        "disk_bytes": row.disk_bytes,
        "remarks": list(row.remarks),
        "tiers": [cast("Json", asdict(one)) for one in row.tiers],
    }


def _tier_json(row: TierRow) -> dict[str, Json]:
    return {
        "tier": row.tier,
        "seeds": row.seeds,
        "runs_reused": row.runs_reused,
        "runs_to_train": row.runs_to_train,
        "cpu_hours": row.cpu_hours,
        "gpu_hours": row.gpu_hours,
        "device": row.speed.device,
        "tokens_per_second": row.speed.tokens_per_second,
        "mfu": row.speed.mfu,
        "speed_source": row.speed.source,
        "minimum_detectable_effect": row.effect.share,
        "sigma": row.effect.sigma,
        "noise_pack": row.effect.pack or None,
        "noise_unknown": row.effect.why,
        "noise_command": row.effect.mend,
    }


def draw_plan(console: Console, plan: StudyPlan) -> None:
    """Print the plan: arms, tiers, totals, and what would be in vain."""
    told = plan.fingerprint[:8] if plan.fingerprint else "no fingerprint before the pool was read"
    console.print(f"{printable(plan.study)} ({plan.kind}, {told})", markup=False, style="bold")
    if plan.pool != "known":
        console.print(f"{plan.pool}; everything would be built, then trained", markup=False, soft_wrap=True)
        console.print("Names of slices were not checked against the pool; `--build` does that.", markup=False)
    _draw_arms(console, plan)
    _draw_repeats(console, plan)
    _draw_tiers(console, plan)
    for row in plan.arms:
        console.print(f"{row.arm}: {printable(row.change)}", markup=False)
    for row in plan.arms:
        for remark in row.remarks:
            console.print(f"{row.arm}: {printable(remark)}", markup=False)
    if any(row.estimated for row in plan.arms):
        console.print("~: estimated before the corpora are built; `--build` builds them and trains nothing.")
    for version in plan.earlier:
        console.print(f"- {printable(version.told)}", markup=False, soft_wrap=True)
    for line in plan.decision:
        console.print(f"to decide: {printable(line)}", markup=False, soft_wrap=True)
    for one in plan.doubts:
        console.print(f"- {printable(one.told)}", markup=False, soft_wrap=True)
    if not plan.doubts:
        console.print("No rule would make the result insufficient, as far as can be known before it is run.")


def _draw_arms(console: Console, plan: StudyPlan) -> None:
    table = _table("Arms", ["arm"], ["filtered", "kept docs", "kept tokens", "reuse", "train", "disk"], [])
    for row in plan.arms:
        guess = "~" if row.estimated else ""
        _add(table, row.arm, _count(row.filtered_docs), _count(row.kept_docs), guess + _count(row.kept_tokens),
             str(row.runs_reused), str(row.runs_to_train), guess + size_text(row.disk_bytes))  # fmt: skip
    reused, train = (sum(getattr(row, name) for row in plan.arms) for name in ("runs_reused", "runs_to_train"))
    tokens = _count(sum(row.kept_tokens or 0 for row in plan.arms))
    _add(table, "total", "", "", tokens, str(reused), str(train), size_text(plan.disk.total))
    console.print(table)
    parts = ", ".join(f"{name} {size_text(int(str(size)))}" for name, size in plan.disk.as_json().items())
    console.print(f"disk: {parts}; an arm's line holds its corpus and tokens alone", markup=False)
    ours = "kept tokens: by the recipes' tokenizer; unique tokens and epochs: by the tier's"
    tiers = ", ".join(f"{name} {load_tier(name).tokenizer}" for name in (row.tier for row in plan.tiers))
    recipes = ", ".join(plan.tokenizers)
    console.print(f"{ours} ({recipes}; {tiers})", markup=False)
    for row in plan.arms:
        if row.to_build:
            console.print(f"to build for {row.arm}: {printable(_shortened(row.to_build))}", markup=False)


def _draw_repeats(console: Console, plan: StudyPlan) -> None:
    table = _table("Unique tokens and epochs (rule 4)", ["arm"], [row.tier for row in plan.tiers], [])
    for row in plan.arms:
        _add(table, row.arm, *(_repeat(one, guessed=bool(row.estimated)) for one in row.tiers))
    console.print(table)


def _repeat(one: ArmTier, *, guessed: bool) -> str:
    if one.unique_tokens is None or one.epochs is None:
        return "?"
    flag = "!" if one.flag or one.refused else ""
    return f"{'~' if guessed else ''}{one.unique_tokens:,}, {one.epochs:.2f}x{flag}"


def _draw_tiers(console: Console, plan: StudyPlan) -> None:
    table = _table("Tiers", ["tier"], ["seeds", "reuse", "train", "CPU-h", "GPU-h", "least effect seen"], [])
    for row in plan.tiers:
        seen = percent(row.effect.share).lstrip("+") if row.effect.share is not None else "noise unknown"
        _add(table, row.tier, str(row.seeds), str(row.runs_reused), str(row.runs_to_train),
             hours_text(row.cpu_hours), hours_text(row.gpu_hours), seen)  # fmt: skip
    _add(table, "total", "", str(sum(row.runs_reused for row in plan.tiers)),
         str(sum(row.runs_to_train for row in plan.tiers)), hours_text(plan.cpu_hours), hours_text(plan.gpu_hours),
         "")  # fmt: skip
    console.print(table)
    for row in plan.tiers:
        speed = f"{row.speed.tokens_per_second:,.0f} tokens/s" if row.speed.tokens_per_second else ""
        mfu = f"MFU {row.speed.mfu:.2f}" if row.speed.mfu else ""
        told = ", ".join(filter(None, [row.speed.device, speed, mfu, row.speed.source]))
        console.print(f"{row.tier}: {printable(told)}", markup=False)


def hours_text(hours: float) -> str:
    """Return hours with as many digits as matter."""
    if hours == 0:
        return "0"
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.1f}" if hours >= 1 else f"{hours:.3f}"


def size_text(num_bytes: float) -> str:
    """Return bytes in the unit that fits."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if num_bytes >= size:
            return f"{num_bytes / size:.1f} {unit}"
    return f"{num_bytes / 1e3:.0f} kB"


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def _shortened(names: tuple[str, ...], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _table(title: str, left: list[str], right: list[str], last: list[str]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right")
    for name in last:
        table.add_column(name)
    return table


def _add(table: Table, *cells: str) -> None:
    from rich.text import Text

    table.add_row(*(Text(printable(cell)) for cell in cells))
