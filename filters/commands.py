"""`curate filters`: which filters there are, and what each one bounds, why, and after whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import JsonFlag, give
from curation.files import Json
from filters.base import FILTERS, Filter, find_filter

if TYPE_CHECKING:
    from rich.console import Console


def filters_list(json_output: JsonFlag = False) -> None:
    """List the filters that a recipe can name."""
    found = [find_filter(name, "curate filters list") for name in FILTERS.names()]
    give([_brief(item) for item in found], lambda console: _draw_list(console, found), as_json=json_output)


def filters_show(
    name: Annotated[str, typer.Argument(help="A filter's name, or `package.module:Class`.")],
    json_output: JsonFlag = False,
) -> None:
    """Show a filter's rules with bounds, reasons and sources, and its settings with their defaults."""
    found = find_filter(name, "curate filters show")
    value = describe(found)
    give(value, lambda console: _draw(console, found), as_json=json_output)


def describe(item: Filter) -> dict[str, Json]:
    """Return everything about a filter as plain values."""
    return {**_brief(item), "settings": _settings(item), "rules": _rules(item)}


def _brief(item: Filter) -> dict[str, Json]:
    return {"name": item.name, "version": item.version, "summary": item.summary}


def _settings(item: Filter) -> list[dict[str, Json]]:
    """Return the settings that are no bounds of rules, which `_rules` lists."""
    bounds = {rule["setting"] for rule in _rules(item)}
    listed: list[dict[str, Json]] = []
    for name, field in item.settings.model_fields.items():
        if name in bounds:
            continue
        default = field.default
        value: Json = None if field.is_required() else list(default) if isinstance(default, tuple) else default
        listed.append({"setting": name, "default": value, "required": field.is_required()})
    return listed


def _rules(item: Filter) -> list[dict[str, Json]]:
    from filters.models.quantile import ClassifierFilter
    from filters.rule_filter import RuleFilter

    rules = item.rules if isinstance(item, ClassifierFilter) else item
    if not isinstance(rules, RuleFilter):
        return []
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
        for rule_set in rules.rule_sets
        for rule in rule_set.rules
    ]


def _draw_list(console: Console, found: list[Filter]) -> None:
    from rich.table import Table

    table = Table("filter", "what it does", box=None, pad_edge=False)
    for item in found:
        table.add_row(item.name, item.summary)
    console.print(table)


def _draw(console: Console, item: Filter) -> None:
    from rich.table import Table

    console.print(f"{item.name}: {item.summary}", markup=False)
    console.print(f"version {item.version}", markup=False)
    rules = _rules(item)
    if rules:
        table = Table(box=None, pad_edge=False)
        for heading in ("rule set", "keeps if", "reason otherwise", "setting"):
            table.add_column(heading, overflow="fold")
        for rule in rules:
            sign = ">=" if rule["bound"] == "min" else "<="
            kept_if = f"{rule['signal']} {sign} {rule['value']:g}"
            table.add_row(str(rule["rule_set"]), kept_if, str(rule["reason"]), str(rule["setting"]))
        console.print(table)
        for source in dict.fromkeys(str(rule["source"]) for rule in rules):
            console.print(f"source: {source}", markup=False)
    settings = Table("other settings", "default", box=None, pad_edge=False)
    for setting in _settings(item):
        settings.add_row(str(setting["setting"]), "required" if setting["required"] else str(setting["default"]))
    console.print(settings)
