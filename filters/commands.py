"""`curate filters list` and `show`: what there is, and what each one bounds, why, and after whom."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, cast

import typer

from curation.console import JsonFlag, give, printable
from curation.errors import RecipeError, nearest
from curation.files import Json
from filters.base import FILTER_SCHEMES, FILTERS, Filter, find_filter
from filters.rules import RuleSet
from filters.signals import SIGNAL_SETS, SignalSet, signal_set

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from filters.catalogue import Entry

SIGNS = {"min": ">=", "max": "<="}


def filters_list(json_output: JsonFlag = False) -> None:
    """List filters, rule sets by dialect, signal sets and schemes, and where each comes from."""
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
    """Show a filter's rules with bounds, reasons and sources, and its settings; or a signal set's signals."""
    from filters.catalogue import known_names, origin_of, scheme_summary

    where = "curate filters show"
    plain = name.partition("@")[0]
    if ":" not in name and plain not in known_names():
        raise RecipeError(f"{where}: unknown name `{name}`; {nearest(name, known_names())}")
    origin = origin_of(name)
    if name in SIGNAL_SETS.names() and name not in FILTERS.names():
        chosen = signal_set(name)
        value = {**_signal_set(chosen), "origin": origin}
        give(value, lambda console: _draw_signal_set(console, chosen, origin), as_json=json_output)
    elif name in FILTER_SCHEMES.names():
        summary = scheme_summary(name)
        scheme: dict[str, Json] = {"name": name, "summary": summary, "origin": origin, "use": f"{name}:REST"}
        give(scheme, lambda console: console.print(f"{name}:REST: {summary}", markup=False), as_json=json_output)
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


def _settings(item: Filter) -> list[Json]:
    """Return the settings that are no bounds of rules, which `_rules` lists."""
    bounds = {rule["setting"] for rule in _rules(item)}
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
    for kind, heading in (("signal_sets", "signal set"), ("schemes", "scheme")):
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
    rules = _rules(item)
    if rules:
        table = _table("rule set", "keeps if", "reason otherwise", "setting")
        for rule in rules:
            kept_if = f"{rule['signal']} {SIGNS[str(rule['bound'])]} {rule['value']:g}"
            table.add_row(str(rule["rule_set"]), kept_if, str(rule["reason"]), str(rule["setting"]))
        console.print(table)
    for rule_set in _rule_sets(item):
        console.print(f"{rule_set.full_name}: {rule_set.summary}", markup=False)
        console.print(f"  judges {', '.join(rule_set.applies_to)}; source: {rule_set.source}", markup=False)
    settings = _table("other settings", "default")
    for setting in cast("list[dict[str, Json]]", _settings(item)):
        settings.add_row(str(setting["setting"]), "required" if setting["required"] else str(setting["default"]))
    console.print(settings)


def _draw_signal_set(console: Console, chosen: SignalSet, origin: str) -> None:
    console.print(f"signal set {chosen.name}, version {chosen.version}, from {origin}", markup=False)
    console.print(f"source: {chosen.source}", markup=False)
    table = _table("signal", "unit", "meaning")
    for signal in chosen.signals:
        table.add_row(signal.name, signal.unit, printable(signal.meaning))
    console.print(table)
