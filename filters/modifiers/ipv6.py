"""Where public IPv6 addresses stand in a text: global unicast (2000::/3) outside the ranges set apart.

An address stands alone: neither a word character nor `:` or `.` before it, neither a word character nor `:` behind it.
The forms with an IPv4 tail are not looked for; their tail is an IPv4 address. Source: RFC 4291 section 2.2; IANA
special-purpose address registry (RFC 6890); that C++ names like `abc::def` are no addresses is why 2000::/3 is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from filters.pii_patterns import Found

IPV6 = re.compile(r"(?<![\w:.])[23][0-9A-Fa-f]{3}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
GROUPS = 8

_RESERVED = ((0x2001, 0x0000, 23), (0x2001, 0x0DB8, 32), (0x2002, 0x0000, 16), (0x3FFF, 0x0000, 20))
"""First two groups and prefix length: IETF protocols, documentation, 6to4, documentation again."""


def find_public_ipv6(text: str) -> Iterator[Found]:
    """Yield public IPv6 addresses; linear in the text."""
    for found in IPV6.finditer(text):
        if is_public_ipv6(found.group()):
            yield Found(begin=found.start(), end=found.end())


def is_public_ipv6(address: str) -> bool:
    """Return whether `address` is an IPv6 address (without IPv4 tail) that is globally reachable unicast."""
    head, gap, tail = address.partition("::")
    groups = [part.split(":") if part else [] for part in (head, tail)]
    given = [*groups[0], *groups[1]]
    if "::" in tail or not all(re.fullmatch(r"[0-9A-Fa-f]{1,4}", group) for group in given):
        return False
    if len(given) > GROUPS - 1 if gap else len(given) != GROUPS:
        return False
    values = [*groups[0], *["0"] * (GROUPS - len(given)), *groups[1]]
    first_two = int(values[0], 16) << 16 | int(values[1], 16)
    if first_two >> 29 != 1:
        return False
    return not any(
        first_two >> (32 - bits) == (first << 16 | second) >> (32 - bits) for first, second, bits in _RESERVED
    )
