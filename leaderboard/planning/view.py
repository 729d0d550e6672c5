"""A plan as a person reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from curation.files import Json

if TYPE_CHECKING:
    from rich.console import Console

Part = Mapping[str, Any]


def draw_plan(console: Console, plan: Mapping[str, Json]) -> None:
    """Draw every section that the plan has, then warnings and what to do next."""
    law = cast("Part", plan["law"])
    console.print(f"law: {law['name']} ({law['source']})", style="dim", markup=False)
    if plan.get("flops"):
        _draw_sizes(console, cast("Part", plan))
    sections: dict[str, Callable[[Console, Part], None]] = {
        "serving": _draw_serving,
        "repetition": _draw_repetition,
        "overtraining": _draw_overtraining,
        "latency": _draw_latency,
        "experiments": _draw_experiments,
        "detect": _draw_detect,
        "ratio": _draw_ratio,
    }
    for name, draw in sections.items():
        if name in plan:
            console.print()
            draw(console, cast("Part", plan[name]))
    for warning in cast("Sequence[str]", plan["warnings"]):
        console.print(f"warning: {warning}", style="yellow", markup=False)
    if plan.get("flops") and "ratio" not in plan:
        console.print("next: --inference-tokens, --unique-tokens, --tokens-per-param, --explain-ratio", style="dim")


def short(value: float) -> str:
    """Return a count in three digits: 29.4B, 566B, 1.25T."""
    for unit, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if unit <= value < 1e16:
            return f"{value / unit:.3g}{letter}"
    return f"{value:.3g}"


def _hours(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _draw_sizes(console: Console, plan: Part) -> None:
    from rich.table import Table

    best, thumb = plan["optimum"], plan["rule_of_20"]
    table = Table("law", "N", "D", "D/N", "loss", title=f"{plan['flops']:.3g} FLOPs", title_justify="left")
    rows = [(f"{plan['law']['name']} (this plan)", best), ("rule of 20 (D = 20 N)", thumb)]
    rows += [(item["law"], item) for item in plan["published"]]
    for name, item in rows:
        table.add_row(
            name, short(item["N"]), short(item["D"]), f"{item['tokens_per_param']:.3g}", f"{item['loss']:.4f}"
        )
    console.print(table)
    low, high = best["as_good"]["N"]
    console.print(
        f"as good within {best['as_good']['loss_within']:.2%} of the loss: N from {short(low)} to {short(high)}; "
        "losses of different laws are of different data and tokenizers",
        markup=False,
    )
    _draw_hours(console, plan["hours"])
    _draw_shape(console, plan["model"], "model of that size")


def _draw_hours(console: Console, rows: Sequence[Part]) -> None:
    for row in rows:
        console.print(
            f"{row['card']}: {_hours(row['gpu_hours'])} card-hours at {row['mfu']:.1%} MFU ({row['mfu_source']})",
            markup=False,
        )


def _draw_shape(console: Console, shape: Part, title: str) -> None:
    if "none" in shape:
        console.print(f"{title}: {shape['none']}", markup=False)
        return
    console.print(
        f"{title}: {shape['layers']} layers x {shape['width']:,} wide, {shape['heads']} heads of {shape['head_dim']}, "
        f"feed-forward {shape['ffn_width']:,}, vocabulary {shape['vocab_size']:,}: {short(shape['params_matmul'])} "
        f"parameters that multiply, {short(shape['params_total'])} in all",
        markup=False,
    )


def _draw_serving(console: Console, part: Part) -> None:
    console.print(f"Serving {short(part['served_tokens'])} tokens over the model's life", style="bold", markup=False)
    console.print(
        f"least training + serving FLOPs at the same loss: N {short(part['N'])}, D {short(part['D'])} "
        f"({part['tokens_per_param']:.3g} tokens per parameter)\n"
        f"saves {part['saved_flops']:.3g} FLOPs, {part['saved_fraction']:.1%} of the lifetime "
        f"{part['lifetime_flops_of_compute_optimum']:.3g}; training itself costs "
        f"{part['training_compute_multiplier']:.3g} x",
        markup=False,
    )
    _draw_hours(console, part["hours"])


def _draw_repetition(console: Console, part: Part) -> None:
    from rich.table import Table

    console.print(f"Repetition: {short(part['unique_tokens'])} unique tokens", style="bold", markup=False)
    console.print(
        f"best: N {short(part['N'])}, D {short(part['D'])} = {part['epochs']:.3g} epochs, worth "
        f"{short(part['effective_tokens'])} new tokens; loss {part['loss']:.4f} (enough data: "
        f"{part['loss_with_enough_data']:.4f}, compute optimum repeated: "
        f"{part['compute_optimum_repeated']['loss']:.4f})",
        markup=False,
    )
    console.print(part["advice"], markup=False)
    table = Table("epochs", "N", "D", "worth", "loss", title="at the same compute", title_justify="left")
    for row in part["by_epochs"]:
        table.add_row(
            f"{row['epochs']:g}", short(row["N"]), short(row["D"]), short(row["effective_tokens"]), f"{row['loss']:.4f}"
        )
    console.print(table)


def _draw_overtraining(console: Console, part: Part) -> None:
    console.print(f"Trained at {part['tokens_per_param']:.4g} tokens per parameter", style="bold", markup=False)
    console.print(
        f"N {short(part['N'])}, D {short(part['D'])}, loss {part['loss']:.4f}: {part['loss_penalty']:+.4f} "
        f"({part['loss_penalty_fraction']:+.2%}) over the optimum\n"
        f"compute multiplier {part['compute_multiplier']:.3g}: so much more than the least that reaches this loss; the "
        f"loss of the optimum would take {part['flops_multiplier_for_loss_of_optimum']:.3g} x the budget at this ratio",
        markup=False,
    )


def _draw_latency(console: Console, part: Part) -> None:
    console.print(
        f"{part['latency_ms']:g} ms a decoded token on {part['cards']} x {part['card']}", style="bold", markup=False
    )
    console.print(
        f"{part['formula']} = {short(part['N'])} parameters ({part['weights_bytes'] / 1e9:.3g} GB of weights at "
        f"{part['bandwidth_bytes_per_second'] / 1e12:.3g} TB/s, datasheet)"
        + ("" if part["fits_in_memory"] else "; they do NOT fit into the memory of these cards"),
        markup=False,
    )
    _draw_shape(console, part["model"], "shape")
    console.print(
        f"it takes {part['latency_ms_of_model']:.3g} ms at best; keys and values add "
        f"{part['model']['cache_bytes_per_token'] / 1e6:.3g} MB of reading a token of context",
        markup=False,
    )
    if "trained_with_flops" in part:
        trained = part["trained_with_flops"]
        console.print(
            f"the compute optimum would take {part['optimum_latency_ms']:.3g} ms; within the latency: N "
            f"{short(trained['N'])}, D {short(trained['D'])}, loss {trained['loss']:.4f} "
            f"({trained['loss_penalty']:+.4f}), compute multiplier {trained['compute_multiplier']:.3g}",
            markup=False,
        )


def _draw_experiments(console: Console, part: Part) -> None:
    from rich.table import Table

    unit = "FLOPs" if part["budget"]["unit"] == "flops" else f"hours of one {part['card']}"
    console.print(
        f"Experiments for {part['budget']['amount']:.4g} {unit}: {part['arms']} arms x {part['seeds']} seeds",
        style="bold",
        markup=False,
    )
    table = Table("tier", "N", "D", "runs", f"{part['card']} h a run", "h in all", "MFU", "in")
    for row in part["cells"]:
        table.add_row(
            row["tier"], short(row["N"]), short(row["D"]), str(row["runs"]), _hours(row["gpu_hours_a_run"]),
            _hours(row["gpu_hours"]), row["mfu_source"].partition(":")[0], "yes" if row["chosen"] else "",
        )  # fmt: skip
    console.print(table)
    console.print(f"chosen: {_hours(part['gpu_hours'])} card-hours, {part['flops']:.3g} FLOPs", markup=False)
    for note in part["notes"]:
        console.print(f"note: {note}", style="yellow", markup=False)


def _draw_detect(console: Console, part: Part) -> None:
    from rich.table import Table

    console.print(
        f"Who would see a gain of {part['gain']:.3%}? (80 % power, one-sided 5 %)", style="bold", markup=False
    )
    table = Table(
        "tier", "verdict", "seeds an arm", "by looks 2, 3, 5", f"seen with {part['seeds']}", "card-hours", "why"
    )
    for row in part["tiers"]:
        if row["sigma"] is None:
            table.add_row(row["tier"], row["status"], "", "", "", "", row["why"].partition(":")[0])
            continue
        table.add_row(
            row["tier"], row["status"], str(row["seeds"] or "> 1000"), str(row["seeds_by_looks"] or "none"),
            "" if row["detectable"] is None else f"{row['detectable']:.2%}",
            "" if row["hours"] is None else _hours(row["hours"]), row["why"],
        )  # fmt: skip
    console.print(table)
    console.print(
        f"insufficient: a tier without a measured noise pack tells nothing (rule 9). With {part['seeds']} seeds an arm "
        f"this gain needs a run noise of at most {part['sigma_needed']:.2%}; measure it: "
        "curate noise plan CORPUS --tier TIER",
        markup=False,
    )


def _draw_ratio(console: Console, part: Part) -> None:
    from rich.table import Table

    console.print("Why no single ratio of tokens to parameters holds", style="bold")
    laws = list(dict.fromkeys(row["law"] for row in part["rows"]))
    table = Table("C", *laws, title="N* (D/N)", title_justify="left")
    by_budget: dict[float, dict[str, Part]] = {}
    for row in part["rows"]:
        by_budget.setdefault(row["C"], {})[row["law"]] = row
    for flops, rows in by_budget.items():
        cells = (f"{short(rows[law]['N'])} ({rows[law]['tokens_per_param']:.3g})" for law in laws)
        table.add_row(f"{flops:.3g}", *cells)
    console.print(table)
    exponents = ", ".join(f"{name} {value:.3f}" for name, value in part["exponents"].items())
    console.print(f"N* grows as C to: {exponents}", markup=False)
    found = part["reconciliation"]
    console.print(
        f"`{found['law']}` has {found['all_parameters']:.3f} in all parameters; counted without embeddings it shows "
        f"{found['without_embeddings_at_kaplans_compute']:.3f} over Kaplan's compute (Kaplan measured "
        f"{found['kaplan']}; published for this count: {found['published']}) and "
        f"{found['without_embeddings_at_1e23_to_1e26']:.3f} from 1e23 on",
        markup=False,
    )
    for reason in part["why"]:
        console.print(f"- {reason}", markup=False)
