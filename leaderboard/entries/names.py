"""Names that strangers see: what is refused, and why.

Names of submitters and challengers are refused when they hold markup, control or direction-changing characters, begin
like a spreadsheet formula, or mix alphabets that look alike. Free text (a hypothesis, a reason) keeps its markup, which
every page and terminal escapes; control and direction-changing characters are refused there too.
Source: ecosystem reference 9 (homoglyph rows, formula injection).
"""

from __future__ import annotations

import unicodedata

MAX_NAME = 64
_MARKUP = frozenset("<>&\"'`[]{}\\|")
_FORMULA = "=+-@"
_LOOKALIKES = ("LATIN", "CYRILLIC", "GREEK")


def text_fault(text: str) -> str | None:
    """Return why free text may not be shown; None when it may."""
    for char in text:
        if char in "\n\t":
            continue
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
            kind = "a direction-changing or invisible" if unicodedata.category(char) == "Cf" else "a control"
            return f"holds {kind} character (U+{ord(char):04X})"
    return None


def name_fault(name: str) -> str | None:
    """Return why a name may not stand in a table; None when it may."""
    if not name or name != name.strip() or len(name) > MAX_NAME:
        return f"has {len(name)} characters or spaces around it, expected 1 to {MAX_NAME}"
    fault = text_fault(name)
    if fault or "\n" in name or "\t" in name:
        return fault or "holds a line break or a tab"
    if marked := sorted(set(name) & _MARKUP):
        return f"holds markup (`{''.join(marked)}`)"
    if name[0] in _FORMULA:
        return f"begins with `{name[0]}`, as a spreadsheet's formula does"
    if unicodedata.normalize("NFC", name) != name:
        return "is not in Unicode's composed form (NFC)"
    scripts = {script for char in name if char.isalpha() for script in [unicodedata.name(char, "").partition(" ")[0]]}
    if len(mixed := sorted(scripts & set(_LOOKALIKES))) > 1:
        return f"mixes alphabets that look alike ({', '.join(mixed).lower()})"
    return None
