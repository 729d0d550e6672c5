"""Where personal data is found: against the published expressions, the standards' examples and near misses."""

from __future__ import annotations

import ipaddress
import itertools
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filters.pii_patterns import EMAIL, IPV4, PII_PATTERNS, find_emails, find_public_ips, is_iban, is_public_ip

EMAILISH = st.text(alphabet="ab1.-_@!é[]: \n", max_size=40)
DOTTED = st.text(alphabet="0125.9x ", max_size=40)


def found(kind: str, text: str) -> list[str]:
    return [text[item.begin : item.end] for item in PII_PATTERNS[kind].find(text)]


@given(EMAILISH)
@example("a@b.c@d.e")
@example("a@b.c!x@d.e")
@example("..a..b@c.d")
@example("é-a@b.c a@[1.2.3.4] a@[1.2.3.b:]")
@settings(max_examples=600, deadline=None)
def test_emails_are_exactly_the_matches_of_the_published_expression(text: str) -> None:
    assert [(item.begin, item.end) for item in find_emails(text)] == [match.span() for match in EMAIL.finditer(text)]


def public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


@given(DOTTED)
@example("1234.5.6.789")
@example("8.8.8.8.8.8.8.8")
@example("08.8.8.8")
@settings(max_examples=600, deadline=None)
def test_ips_are_the_public_matches_of_the_published_expression(text: str) -> None:
    expected = [match.span() for match in IPV4.finditer(text) if public(match.group())]
    assert [(item.begin, item.end) for item in find_public_ips(text)] == expected


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=1000, deadline=None)
def test_an_address_is_public_as_the_standard_library_says(number: int) -> None:
    address = ipaddress.IPv4Address(number)
    if address not in ipaddress.IPv4Network("192.0.0.0/24"):  # moved between Python releases
        assert is_public_ip(str(address)) == address.is_global


@pytest.mark.parametrize(
    "edge", ["9.255.255.255", "11.0.0.0", "100.63.255.255", "172.32.0.0", "198.17.255.255", "224.0.0.1"]
)
def test_addresses_just_outside_a_reserved_range_are_public(edge: str) -> None:
    assert is_public_ip(edge)


FOUND = {
    "email": ["jane.doe+tag@mail.example.org", "x@[1.2.3.4]", "o'neil@example.co.uk"],
    "public-ip": ["8.8.8.8", "224.0.0.1"],
    "phone": ["+49 30 901820", "+1 (212) 555-0123", "(212) 555-0123", "212-555-0123", "212.555.0123", "1-212-555-0123"],
    "credit-card": [
        "4111111111111111",
        "4111 1111 1111 1111",
        "5500-0000-0000-0004",
        "3782 822463 10005",
        "6011000990139424",
    ],
    "iban": ["DE89370400440532013000", "DE89 3704 0044 0532 0130 00", "GB82 WEST 1234 5698 7654 32", "NO9386011117947"],
}
MISSED = {
    "email": ["@handle", "a@b", "a b@", "a@-b.c"],
    "public-ip": ["10.0.0.1", "192.168.1.1", "1.2.3", "256.1.1", "127.0.0.1"],
    "phone": ["2021-05-12 10:30", "555-0123", "+12", "123-456-7890", "x212-555-0123", "10.1109.2125550123"],
    "credit-card": ["4111111111111112", "4111 1111-1111 1111", "0.4111111111111111", "a4111111111111111"],
    "iban": ["DE89370400440532013001", "DE8937040044053201300", "ZZ89370400440532013000", "de89370400440532013000"],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "item"), [(kind, item) for kind, items in FOUND.items() for item in items])
def test_it_is_found_whole_in_a_sentence(kind: str, item: str) -> None:
    assert found(kind, f"Write to {item}, please.") == [item]


@pytest.mark.parametrize(("kind", "item"), [(kind, item) for kind, items in MISSED.items() for item in items])
def test_a_near_miss_is_not_found(kind: str, item: str) -> None:
    assert found(kind, f"Write to {item}, please.") == []


@pytest.mark.parametrize("kind", sorted(PII_PATTERNS))
def test_finds_stand_in_order_and_do_not_overlap(kind: str) -> None:
    text = ", ".join(FOUND[kind]) + ";\n" + ";\n".join(FOUND[kind])
    spans = [(item.begin, item.end) for item in PII_PATTERNS[kind].find(text)]
    assert len(spans) == 2 * len(FOUND[kind])
    assert all(left[1] <= right[0] for left, right in itertools.pairwise(spans))


@pytest.mark.parametrize("kind", sorted(PII_PATTERNS))
def test_awkward_text_is_survived(kind: str, awkward_text: str) -> None:
    assert found(kind, awkward_text + "\0\ud800") == []


@pytest.mark.parametrize("unit", ["a", "a-", "a.", "1.", "1", "1 ", "@", "a@", "+1", "DE89", "(212) ", "a@b.", "-@"])
@pytest.mark.parametrize("kind", sorted(PII_PATTERNS))
def test_long_runs_take_linear_time(kind: str, unit: str) -> None:
    text = unit * (200_000 // len(unit))
    started = time.process_time()
    list(PII_PATTERNS[kind].find(text))
    assert time.process_time() - started < 2.0


def test_the_check_digits_of_an_iban_are_checked() -> None:
    assert is_iban("CH9300762011623852957")
    assert not is_iban("CH9400762011623852957")
