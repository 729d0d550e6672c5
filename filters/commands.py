"""`curate filters list` and `show`: what there is, and what each one bounds, why, and after whom."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, cast

import typer

from curation.console import JsonFlag, give, printable
from curation.errors import RecipeError, nearest
from curation.files import Json
from filters.base import FILTER_SCHEMES, FILTERS, Filter, find_filter
from filters.modifiers.base import MODIFIERS, Modifier, find_modifier
from filters.rules import RuleSet
from filters.signals import SIGNAL_SETS, SignalSet, signal_set

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from filters.catalogue import Entry

SIGNS = {"min": ">=", "max": "<="}


def filters_list(json_output: JsonFlag = False) -> None:
    """List filters, rule sets by dialect, modifiers, signal sets and schemes, and where each comes from."""
    from filters.catalogue import catalogue

    found = catalogue()
    listed: dict[str, Json] = {kind: [cast("Json", asdict(item)) for item in items] for kind, items in found.items()}
    give(listed, lambda console: _draw_list(console, found), as_json=json_output)


def filters_show(
    name: Annotated[
        str,
        typer.Argument(help="A filter, a rule set NAME/DIALECT, a signal set, SCHEME:REST or package.module:Class."),
    ],
    json_output: JsonFlag = False,
) -> None:
    """Show rules with bounds, reasons and sources, and settings; also what a modifier counts or a signal set holds."""
    from filters.catalogue import known_names, origin_of, scheme_summary

    where = "curate filters show"
    plain = name.partition("@")[0]
    if ":" not in name and plain not in known_names():
        raise RecipeError(f"{where}: unknown name `{name}`; {nearest(name, known_names())}")
    origin = origin_of(name)
    if name in SIGNAL_SETS.names() and name in MODIFIERS.names():  # what counts and what changes share a name
        counted, changed = signal_set(name), find_modifier(name, where)
        signals = _signal_set(counted)
        both = {
            **describe_modifier(changed),
            "signals": signals["signals"],
            "signal_set": signals["version"],
            "origin": origin,
        }
        give(both, lambda console: _draw_both(console, counted, changed, origin), as_json=json_output)
    elif name in SIGNAL_SETS.names() and name not in FILTERS.names():
        chosen = signal_set(name)
        value = {**_signal_set(chosen), "origin": origin}
        give(value, lambda console: _draw_signal_set(console, chosen, origin), as_json=json_output)
    elif name in MODIFIERS.names() and name not in FILTERS.names():
        modifier = find_modifier(name, where)
        value = {**describe_modifier(modifier), "origin": origin}
        give(value, lambda console: _draw_modifier(console, modifier, origin), as_json=json_output)
    elif name.removesuffix(":") in FILTER_SCHEMES.names():
        scheme = name.removesuffix(":")
        summary = scheme_summary(scheme)
        value = {"name": scheme, "summary": summary, "origin": origin, "use": f"{scheme}:REST"}
        give(value, lambda console: console.print(f"{scheme}:REST: {summary}", markup=False), as_json=json_output)
    else:
        found = find_filter(name, where)
        give(
            {**describe(found), "origin": origin},
            lambda console: _draw(console, found, origin),
            as_json=json_output,
        )


def describe(item: Filter) -> dict[str, Json]:
    """Return everything about a filter as plain values."""
    rule_sets: list[Json] = [
        {
            "name": rules.full_name,
            "dialect": rules.dialect,
            "version": rules.version,
            "source": rules.source,
            "summary": rules.summary,
            "applies_to": list[Json](rules.applies_to),
        }
        for rules in _rule_sets(item)
    ]
    return {
        "name": item.name,
        "version": item.version,
        "summary": item.summary,
        "settings": _settings(item),
        "rule_sets": rule_sets,
        "rules": _rules(item),
    }


def _settings(item: Filter | Modifier) -> list[Json]:
    """Return the settings that are no bounds of rules, which `_rules` lists."""
    bounds = set() if isinstance(item, Modifier) else {rule["setting"] for rule in _rules(item)}
    listed: list[Json] = []
    for name, field in item.settings.model_fields.items():
        if name in bounds:
            continue
        default = field.default
        value: Json = None if field.is_required() else list(default) if isinstance(default, tuple) else default
        listed.append({"setting": name, "default": value, "required": field.is_required()})
    return listed


def _rule_sets(item: Filter) -> tuple[RuleSet, ...]:
    from filters.models.quantile import ClassifierFilter
    from filters.rule_filter import RuleFilter

    rules = item.rules if isinstance(item, ClassifierFilter) else item
    return rules.rule_sets if isinstance(rules, RuleFilter) else ()


def _rules(item: Filter) -> list[dict[str, Json]]:
    return [
        {
            "rule_set": rule_set.full_name,
            "reason": rule.reason,
            "signal_set": rule.signal_set,
            "signal": rule.signal,
            "bound": rule.bound,
            "value": rule.value,
            "setting": rule.setting,
            "source": rule_set.source,
        }
        for rule_set in _rule_sets(item)
        for rule in rule_set.rules
    ]


def _signal_set(chosen: SignalSet) -> dict[str, Json]:
    signals: list[Json] = [cast("Json", asdict(signal)) for signal in chosen.signals]
    return {"name": chosen.name, "version": chosen.version, "source": chosen.source, "signals": signals}


def describe_modifier(item: Modifier) -> dict[str, Json]:
    """Return everything about a modifier as plain values."""
    counters: list[Json] = [cast("Json", asdict(counter)) for counter in item.counters]
    return {
        "name": item.name,
        "version": item.version,
        "summary": item.summary,
        "source": item.source,
        "settings": _settings(item),
        "counters": counters,
        "reasons": list[Json](item.reasons),
    }


def _table(*headings: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _draw_list(console: Console, found: dict[str, list[Entry]]) -> None:
    filters = _table("filter", "what it does", "from")
    for item in found["filters"]:
        filters.add_row(item.name, _told(item), item.origin)
    console.print(filters)
    dialects = sorted({item.dialect or "?" for item in found["rule_sets"]})
    for dialect in dialects:
        rules = _table(f"rule set of the dialect {dialect}", "what it does", "from")
        for item in found["rule_sets"]:
            if (item.dialect or "?") == dialect:
                name = f"{item.name}@{item.version}" if item.version else item.name
                rules.add_row(name, _told(item), item.origin)
        console.print()
        console.print(rules)
    for kind, heading in (("modifiers", "modifier"), ("signal_sets", "signal set"), ("schemes", "scheme")):
        table = _table(heading, "what it holds", "from")
        for item in found[kind]:
            table.add_row(f"{item.name}:..." if kind == "schemes" else item.name, _told(item), item.origin)
        console.print()
        console.print(table)


def _told(item: Entry) -> str:
    from rich.markup import escape

    return f"[red]broken[/red]: {escape(printable(item.broken))}" if item.broken else escape(item.summary)


def _draw(console: Console, item: Filter, origin: str) -> None:
    console.print(f"{item.name}: {item.summary}", markup=False)
    console.print(f"version {item.version}, from {origin}", markup=False)
    for rule_set in _rule_sets(item):
        sets = ", ".join(sorted({rule.signal_set for rule in rule_set.rules}))
        console.print(f"\n{rule_set.full_name}: {rule_set.summary}", markup=False)
        console.print(
            f"judges {', '.join(rule_set.applies_to)}; signals of {sets}; source: {rule_set.source}", markup=False
        )
        table = _table("keeps if", "reason otherwise", "setting")
        for rule in rule_set.rules:
            table.add_row(f"{rule.signal} {SIGNS[rule.bound]} {rule.value:g}", rule.reason, rule.setting)
        console.print(table)
    console.print()
    console.print(_settings_table("other settings", item))


def _draw_modifier(console: Console, item: Modifier, origin: str) -> None:
    console.print(f"modifier {item.name}: {item.summary}", markup=False)
    console.print(f"version {item.version}, from {origin}; source: {item.source}", markup=False)
    counters = _table("counts", "meaning")
    for counter in item.counters:
        counters.add_row(counter.name, printable(counter.meaning))
    console.print(counters)
    if item.reasons:
        console.print(f"drops as {', '.join(item.reasons)}", markup=False)
    console.print(_settings_table("settings", item))


def _draw_both(console: Console, counted: SignalSet, changed: Modifier, origin: str) -> None:
    _draw_modifier(console, changed, origin)
    console.print()
    _draw_signal_set(console, counted, origin)


def _settings_table(heading: str, item: Filter | Modifier) -> Table:
    settings = _table(heading, "default")
    for setting in cast("list[dict[str, Json]]", _settings(item)):
        settings.add_row(str(setting["setting"]), "required" if setting["required"] else str(setting["default"]))
    return settings


def _draw_signal_set(console: Console, chosen: SignalSet, origin: str) -> None:
    console.print(f"signal set {chosen.name}, version {chosen.version}, from {origin}", markup=False)
    console.print(f"source: {chosen.source}", markup=False)
    table = _table("signal", "unit", "meaning")
    for signal in chosen.signals:
        table.add_row(signal.name, signal.unit, printable(signal.meaning))
    console.print(table)
