"""`python -m filters.reference > docs/filter-reference.md`: every filter, modifier, rule set and signal."""

from __future__ import annotations

import sys

from curation.files import Json
from filters.base import FILTERS, Filter, find_filter
from filters.commands import describe, describe_modifier
from filters.modifiers.base import MODIFIERS, Modifier, find_modifier
from filters.rules import RULE_SETS, RuleSet
from filters.signals import SIGNAL_SETS, SignalSet

HEAD = """# Filter reference

Made from the code by `python -m filters.reference`; `docs/filters.md` is the guide. A rule set's full name is
`name/dialect@version`; `--filter NAME/DIALECT` applies one. Bounds are inclusive.
"""
SIGNS = {"min": "≥", "max": "≤"}


def reference() -> str:
    """Return the page."""
    filters = [_filter(find_filter(name, "reference")) for name in sorted(FILTERS.builtin)]
    rules = [_rule_set(RULE_SETS.get(name)) for name in sorted(RULE_SETS.builtin)]
    modifiers = [_modifier(find_modifier(name, "reference")) for name in sorted(MODIFIERS.builtin)]
    signals = [_signal_set(SIGNAL_SETS.get(name)) for name in sorted(SIGNAL_SETS.builtin)]
    parts = [HEAD, "## Filters\n", *filters, "## Rule sets\n", *rules, "## Modifiers\n", *modifiers]
    return "\n".join([*parts, "## Signals\n", *signals])


def _filter(item: Filter) -> str:
    lines = [f"### Filter `{item.name}`\n", f"{item.summary} Version `{item.version}`.\n"]
    return "\n".join([*lines, *_settings(describe(item)["settings"])]) + "\n"


def _modifier(item: Modifier) -> str:
    lines = [f"### Modifier `{item.name}`\n", f"{item.summary} Version `{item.version}`. Source: {item.source}.\n"]
    lines += [f"Drops as `{reason}`.\n" for reason in item.reasons]
    if item.counters:
        rows = [f"| `{counter.name}` | {counter.meaning} |" for counter in item.counters]
        lines += ["| counts | meaning |", "|---|---|", *rows, ""]
    return "\n".join([*lines, *_settings(describe_modifier(item)["settings"])]) + "\n"


def _settings(settings: Json) -> list[str]:
    assert isinstance(settings, list)
    rows = [setting for setting in settings if isinstance(setting, dict)]
    defaults = [f"| `{row['setting']}` | {'required' if row['required'] else row['default']} |" for row in rows]
    return ["| setting | default |", "|---|---|", *defaults] if rows else []


def _rule_set(rules: RuleSet) -> str:
    lines = [
        f"### Rule set `{rules.full_name}`\n",
        f"{rules.summary} Judges: {', '.join(rules.applies_to)}. Source: {rules.source}.\n",
        "| reason | kept if | setting |",
        "|---|---|---|",
    ]
    lines += [
        f"| `{rule.reason}` | `{rule.column}` {SIGNS[rule.bound]} {rule.value:g} | `{rule.setting}` |"
        for rule in rules.rules
    ]
    return "\n".join(lines) + "\n"


def _signal_set(chosen: SignalSet) -> str:
    lines = [
        f"### Signal set `{chosen.name}` (`{chosen.version}`)\n",
        f"Source: {chosen.source}.\n",
        "| signal | unit | meaning |",
        "|---|---|---|",
    ]
    lines += [f"| `{signal.name}` | {signal.unit} | {signal.meaning} |" for signal in chosen.signals]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
