"""Where e-mail addresses, public IPs, phone numbers, card numbers and IBANs stand in a text: the one definition.

Counting (signal set `pii`) and masking (modifier) both read it. E-mail and IP are FineWeb's, as datatrove's
`PIIFormatter` has them; the other three are ours, by the standards that their `source` names. Every search is linear
in the text: the published e-mail expression is quadratic on long runs without `@` and is therefore evaluated from the
`@` outwards, with the same matches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)"
_DOMAIN = rf"(?:(?:{_LABEL}\.)+{_LABEL}|\[(?:{_OCTET}\.){{3}}(?:{_OCTET}|[A-Za-z0-9-]*[A-Za-z0-9]:)\])"

EMAIL = re.compile(rf"\b{_ATOM}+(?:\.{_ATOM}+)*@{_DOMAIN}")
"""The published expression; `find_emails` gives its matches in linear time."""
IPV4 = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}")
"""The published expression: no boundaries, so it also matches inside longer runs of digits and dots."""

_EMAIL_DOMAIN = re.compile(_DOMAIN)
_ATOM_CHARS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+/=?^_`{|}~-")
_WORD = re.compile(r"\w")
_DOTTED_DIGITS = re.compile(r"[0-9.]{7,}")

PHONE = re.compile(
    r"(?<![\w+.-])(?:"
    r"\+[1-9](?:[ .-]?(?:\([0-9]{1,4}\)|[0-9])){7,14}"
    r"|(?:1[ .-])?(?:\([2-9][0-9]{2}\)[ .-]?|[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[ .-][0-9]{4}"
    r")(?![\w-]|\.[0-9])"
)
CARD = re.compile(
    r"(?<![\w.])(?:[2-6][0-9]{12,18}|[2-6][0-9]{3}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}"
    r"|3[47][0-9]{2}([ -])[0-9]{6}\2[0-9]{5})(?![\w]|\.[0-9])"
)
IBAN = re.compile(r"(?<![\w])[A-Z]{2}[0-9]{2}(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)(?![\w])")

_IBAN_CHARS: Mapping[str, int] = {
    entry[:2]: int(entry[2:])
    for entry in (
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
        "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 "
        "LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 "
        "QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20"
    ).split()
}

_NOT_PUBLIC: Sequence[str] = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One find: `text[begin:end]`, in code points."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PiiPattern:
    """One kind of personal data and how it is found."""

    name: str
    signal: str
    meaning: str
    source: str
    find: Callable[[str], Iterator[Found]]
    """Finds in order of position; they do not overlap."""


def find_emails(text: str) -> Iterator[Found]:
    """Yield e-mail addresses: exactly the matches of `EMAIL`, each `@` looked at once."""
    done = 0
    at = text.find("@")
    while at >= 0:
        domain = _EMAIL_DOMAIN.match(text, at + 1)
        begin = _local_part(text, done, at) if domain else at
        if domain and begin < at:
            done = domain.end()
            yield Found(begin=begin, end=done)
        at = text.find("@", at + 1)


def find_public_ips(text: str) -> Iterator[Found]:
    """Yield IPv4 addresses that are globally reachable; octets with a leading zero are no addresses."""
    for run in _DOTTED_DIGITS.finditer(text):
        for found in IPV4.finditer(text, run.start(), run.end()):
            if is_public_ip(found.group()):
                yield Found(begin=found.start(), end=found.end())


def find_phone_numbers(text: str) -> Iterator[Found]:
    """Yield phone numbers written internationally (`+`, 8 to 15 digits) or in the North American form."""
    for found in PHONE.finditer(text):
        if not found.group().startswith("+") or 8 <= sum(map(str.isdigit, found.group())) <= 15:
            yield Found(begin=found.start(), end=found.end())


def find_credit_cards(text: str) -> Iterator[Found]:
    """Yield numbers of 13 to 19 digits (plain, four by four, or grouped 4-6-5) whose last is the Luhn check digit."""
    for found in CARD.finditer(text):
        if passes_luhn(found.group().replace(" ", "").replace("-", "")):
            yield Found(begin=found.start(), end=found.end())


def find_ibans(text: str) -> Iterator[Found]:
    """Yield IBANs, plain or in groups of four, with their country's length and right check digits."""
    for found in IBAN.finditer(text):
        if is_iban(found.group().replace(" ", "")):
            yield Found(begin=found.start(), end=found.end())


PII_PATTERNS: Mapping[str, PiiPattern] = {
    pattern.name: pattern
    for pattern in (
        PiiPattern(
            name="email",
            signal="num_emails",
            meaning="e-mail addresses (dot-atom @ domain name of at least two labels, or @ [IPv4])",
            source="FineWeb arXiv:2406.17557 3.7; datatrove 0.10.1 formatters/pii.py",
            find=find_emails,
        ),
        PiiPattern(
            name="public-ip",
            signal="num_public_ips",
            meaning="IPv4 addresses outside the private and reserved ranges, also inside longer digit runs",
            source="FineWeb arXiv:2406.17557 3.7; datatrove 0.10.1 formatters/pii.py; IANA special-purpose registry",
            find=find_public_ips,
        ),
        PiiPattern(
            name="phone",
            signal="num_phone_numbers",
            meaning="phone numbers: + and 8 to 15 digits, or (NXX) NXX-XXXX with separators",
            source="ITU-T E.164; North American Numbering Plan; ours",
            find=find_phone_numbers,
        ),
        PiiPattern(
            name="credit-card",
            signal="num_credit_cards",
            meaning="numbers of 13 to 19 digits from 2 to 6 on that pass the Luhn check (one in ten does by chance)",
            source="ISO/IEC 7812-1; ours",
            find=find_credit_cards,
        ),
        PiiPattern(
            name="iban",
            signal="num_ibans",
            meaning="bank account numbers with their country's length and check digits (mod 97)",
            source="ISO 13616; ours",
            find=find_ibans,
        ),
    )
}
"""Patterns by name, in the order of the signals."""


def is_public_ip(address: str) -> bool:
    """Return whether a dotted quad is a globally reachable address; one with a leading zero is not an address.

    The table is fixed: `ipaddress.is_global` has moved between Python releases (192.0.0.0/24).
    """
    octets = address.split(".")
    if any(len(octet) > 1 and octet[0] == "0" for octet in octets):
        return False
    value = _as_number(address)
    return not any(low <= value < high for low, high in _RESERVED)


def passes_luhn(digits: str) -> bool:
    """Return whether the last digit is the Luhn check digit of the others."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_iban(number: str) -> bool:
    """Return whether `number` (without spaces) has its country's length and check digits."""
    if _IBAN_CHARS.get(number[:2]) != len(number):
        return False
    return int("".join(str(int(char, 36)) for char in number[4:] + number[:4])) % 97 == 1


def _local_part(text: str, first: int, at: int) -> int:
    """Return where the match of `EMAIL` that ends at the `@` at `at` begins, not before `first`; `at` if nowhere.

    The longest dot-atom that ends there, then its first character with a word boundary before it.
    """
    begin = at
    while begin > first and (
        text[begin - 1] in _ATOM_CHARS or (text[begin - 1] == "." and begin < at and text[begin] != ".")
    ):
        begin -= 1
    while begin < at and (text[begin] == "." or not _is_boundary(text, begin)):
        begin += 1
    return begin


def _is_boundary(text: str, at: int) -> bool:
    """Return whether a word begins or ends before `text[at]`, as `re` has it."""
    before = at > 0 and _WORD.match(text[at - 1]) is not None
    return before != (_WORD.match(text[at]) is not None)


def _as_number(address: str) -> int:
    first, second, third, fourth = (int(octet) for octet in address.split("."))
    return first << 24 | second << 16 | third << 8 | fourth


def _network(text: str) -> tuple[int, int]:
    address, _, bits = text.partition("/")
    low = _as_number(address)
    return low, low + (1 << (32 - int(bits)))


_RESERVED = tuple(_network(text) for text in _NOT_PUBLIC)
