"""Licences by their SPDX names: from a licence file's words, a file's own tag, or a page's link.

Only what is certain is named: a text is recognised by phrases that no other licence has. Source: spdx.org/licenses.
"""

from __future__ import annotations

import re

READ_BYTES = 40_000
_TAG = re.compile(r"SPDX-License-Identifier:\s*([A-Za-z0-9.+() -]{2,100}?)\s*(?:\*/|-->|[\r\n\"']|$)")
_PHRASES: tuple[tuple[str, str], ...] = (
    ("AGPL-3.0", r"GNU AFFERO GENERAL PUBLIC LICENSE\s+Version 3"),
    ("LGPL-3.0", r"GNU LESSER GENERAL PUBLIC LICENSE\s+Version 3"),
    ("LGPL-2.1", r"GNU LESSER GENERAL PUBLIC LICENSE\s+Version 2\.1"),
    ("GPL-3.0", r"GNU GENERAL PUBLIC LICENSE\s+Version 3"),
    ("GPL-2.0", r"GNU GENERAL PUBLIC LICENSE\s+Version 2"),
    ("Apache-2.0", r"Apache License,?\s+Version 2\.0"),
    ("MPL-2.0", r"Mozilla Public License,?\s+(?:Version|v\.)\s*2\.0"),
    ("EPL-2.0", r"Eclipse Public License\s+-\s+v\s*2\.0"),
    ("CC0-1.0", r"CC0 1\.0 Universal"),
    ("CC-BY-SA-4.0", r"Attribution-ShareAlike 4\.0 International"),
    ("CC-BY-NC-SA-4.0", r"Attribution-NonCommercial-ShareAlike 4\.0 International"),
    ("CC-BY-4.0", r"Attribution 4\.0 International"),
    ("BSL-1.0", r"Boost Software License - Version 1\.0"),
    ("Unlicense", r"This is free and unencumbered software released into the public domain"),
    (
        "ISC",
        r"Permission to use, copy, modify, and(?:/or)? distribute this software for any purpose with or without fee",
    ),
    ("BSD-3-Clause", r"Redistributions of source code must retain[\s\S]{0,1500}endorse or promote products derived"),
    ("BSD-2-Clause", r"Redistributions of source code must retain[\s\S]{0,900}Redistributions in binary form"),
    (
        "MIT",
        r"Permission is hereby granted, free of charge, to any person obtaining a copy[\s\S]{0,900}without restriction",
    ),
    ("Zlib", r"Altered source versions must be plainly marked as such"),
)
_RECOGNISED = tuple((name, re.compile(pattern.replace(" ", r"\s+"), re.IGNORECASE)) for name, pattern in _PHRASES)
_LINK = re.compile(
    rb"<(?:a|link)\b[^>]{0,500}?(?:rel\s*=\s*[\"']?[^\"'>]{0,40}?\blicense\b[^>]{0,400}?href\s*=\s*[\"']?([^\"'\s>]{5,200})"
    rb"|href\s*=\s*[\"']?([^\"'\s>]{5,200})[^>]{0,400}?rel\s*=\s*[\"']?[^\"'>]{0,40}?\blicense\b)",
    re.IGNORECASE,
)
_CREATIVE = re.compile(
    r"creativecommons\.org/(?:licenses/(by(?:-nc)?(?:-nd|-sa)?)/(\d\.\d)(?:/([a-z]{2})(?=/|$))?|publicdomain/(zero|mark)/(\d\.\d))",
    re.IGNORECASE,
)


def recognised(text: str) -> str | None:
    """Return the licence that a licence file holds, None where it is not certain."""
    tag = _TAG.search(text[:2000])
    if tag:
        return tag[1]
    return next((name for name, pattern in _RECOGNISED if pattern.search(text[:READ_BYTES])), None)


def tagged(text: str) -> str | None:
    """Return the licence that a source file's own `SPDX-License-Identifier` names."""
    found = _TAG.search(text[:2000])
    return found[1] if found else None


def linked(page: bytes) -> str | None:
    """Return the licence that an HTML page links to as its own (`rel=license`): an SPDX name, else the address."""
    found = _LINK.search(page)
    if found is None:
        return None
    address = (found[1] or found[2]).decode("ascii", "replace")
    creative = _CREATIVE.search(address)
    if creative is None:
        return address if address.startswith(("http://", "https://")) else None
    if creative[4]:
        return f"CC0-{creative[5]}" if creative[4].lower() == "zero" else f"PDM-{creative[5]}"
    country = f"-{creative[3].upper()}" if creative[3] else ""
    return f"CC-{creative[1].upper()}-{creative[2]}{country}"
