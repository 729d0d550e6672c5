"""The docstrings of a Python module as one plain-text document.

Found by a scan, not by parsing: a string that opens a module, or that follows a line ending in a colon, with only blank
and comment lines between. Scanning runs some twenty times faster than `ast` and does not depend on the interpreter's
version; strings inside other strings can fool it, which does no harm to text that only feeds a demonstration.
"""

from __future__ import annotations

import inspect
import re

MIN_CHARS = 100
"""Shorter documents are not worth one."""

_LITERAL = (
    r"[rRuU]?(?:"
    r'"""(?P<{0}a>[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*)"""'
    r"|'''(?P<{0}b>[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*)'''"
    r'|"(?P<{0}c>[^"\\\n]+)"(?=\s)'
    r")"
)
_BETWEEN = r"(?:[ \t]*(?:#[^\n]*)?\r?\n)*"
_MODULE = re.compile(_BETWEEN + _LITERAL.format("m"), re.DOTALL)
_BLOCK = re.compile(r":[ \t]*(?:#[^\n]*)?\r?\n" + _BETWEEN + r"[ \t]+" + _LITERAL.format("d"), re.DOTALL)

_ROLE = re.compile(r":[a-zA-Z][a-zA-Z:+-]*:`~?([^`<]+?)(?:\s*<[^`<>]*>)?`")
_LITERALS = re.compile(r"``([^`\n]+)``")
_UNDERLINE = re.compile(r"^[ \t]*([-=~^\"*+#])\1{2,}[ \t]*\n?", re.MULTILINE)


def module_docstrings(source: str) -> str:
    """Return all docstrings of a module in order, joined by blank lines, light markup removed; empty when too few."""
    found: list[str] = []
    place = 0
    opening = _MODULE.match(source)
    if opening is not None:
        found.append(_inside(opening))
        place = opening.end()
    found.extend(_inside(match) for match in _BLOCK.finditer(source, place))
    text = "\n\n".join(filter(None, (plain(docstring) for docstring in found)))
    return text if len(text) >= MIN_CHARS else ""


def plain(docstring: str) -> str:
    """Return a docstring without indentation, cross-reference roles, literal marks and underlines."""
    text = inspect.cleandoc(docstring)
    if "`" in text:
        text = _LITERALS.sub(r"\1", _ROLE.sub(r"\1", text))
    return _UNDERLINE.sub("", text).strip()


def _inside(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group is not None)
