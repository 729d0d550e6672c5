"""Masking: datatrove's own formatter on e-mail and IP, and every kind on both sides of its definition."""

from __future__ import annotations

import ipaddress
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.recipe import validate
from filters.modifiers.ipv6 import find_public_ipv6, is_public_ipv6
from filters.modifiers.pii import KINDS, PII_MASKING
from filters.modifiers.rewriting import rewrite_table

PUBLISHED = {"kinds": ["email", "public-ip"]}


def masked(text: str, **params: Any) -> tuple[str, dict[str, int]]:
    chosen = validate(PII_MASKING.settings, params, "test")
    made = rewrite_table(PII_MASKING, chosen, pa.table({"text": pa.array([text], pa.large_string())}))
    return made.texts[0].as_py(), {name: int(values[0]) for name, values in made.counters.items() if values[0]}


PIECES = [
    "a@b.com",
    "x.y+z@mail.example.org",
    "8.8.8.8",
    "10.0.0.1",
    "1.2.3.4.5.6.7.8",
    "@",
    "a@b",
    " ",
    "\n",
    ".",
    "é",
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@example("a@b.com c@d.org e@f.net 8.8.8.8 9.9.9.9 1.1.1.1 2.2.2.2 3.3.3.3 4.4.4.4 5.5.5.5")
@example("me@[1.2.3.4] 1.2.3.4")
@settings(max_examples=300, deadline=None)
def test_email_and_ip_are_masked_as_datatrove_masks_one_document(text: str) -> None:
    from datatrove.pipeline.formatters.pii import PIIFormatter

    assert masked(text, **PUBLISHED)[0] == PIIFormatter().format(text)


def test_masks_start_anew_in_every_document() -> None:
    table = pa.table({"text": pa.array(["a@b.com", "c@d.com"], pa.large_string())})
    made = rewrite_table(PII_MASKING, PII_MASKING.settings(), table)
    assert made.texts.to_pylist() == ["email@example.com"] * 2


EXAMPLES = {
    "email": "jane.doe@mail.example.org",
    "public-ip": "8.8.4.4",
    "public-ipv6": "2001:4860:4860::8888",
    "iban": "DE89 3704 0044 0532 0130 00",
    "credit-card": "5500-0000-0000-0004",
    "phone": "+49 30 123456789",
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_masked_when_named_and_only_then(kind: str) -> None:
    text = f"Call or write: {EXAMPLES[kind]}, thanks."
    others = [name for name in KINDS if name != kind]
    new, counts = masked(text, kinds=[kind])
    assert EXAMPLES[kind] not in new
    assert new.startswith("Call or write: ")
    assert new.endswith(", thanks.")
    assert counts == {f"{kind}-masked": 1}
    assert masked(text, kinds=others) == (text, {})


@pytest.mark.parametrize("text", ["10.1.2.3", "version 1.2.3", "a@b", "2001:db8::1", "12:30:45", "std::abc::def()"])
def test_what_is_no_personal_data_stays(text: str) -> None:
    assert masked(text, kinds=list(KINDS)) == (text, {})


def test_masks_are_settings() -> None:
    text = "a@b.com and c@d.com and e@f.com"
    assert masked(text, email=["<1>", "<2>"])[0] == "<1> and <2> and <1>"
    assert masked(text, email="")[0] == " and  and "


def test_masks_of_every_kind_are_left_alone_by_a_second_pass() -> None:
    text = "\n".join(EXAMPLES.values())
    once, counts = masked(text, kinds=list(KINDS))
    assert sum(counts.values()) == len(KINDS)
    assert masked(once, kinds=list(KINDS)) == (once, {})


@given(st.integers(0, 2**128 - 1), st.booleans())
@settings(max_examples=300, deadline=None)
def test_an_ipv6_address_is_public_if_the_registry_says_so(value: int, in_unicast: bool) -> None:
    address = ipaddress.IPv6Address((value & (2**125 - 1)) | 1 << 125 if in_unicast else value)
    special = [ipaddress.ip_network(n) for n in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
    expected = address in ipaddress.ip_network("2000::/3") and not any(address in net for net in special)
    assert is_public_ipv6(str(address)) == expected
    assert is_public_ipv6(address.exploded) == expected


@given(st.text(alphabet="2a:0. ", max_size=40))
@example("2a00::1")
@example("2001:4860:4860::8888.")
@example("2a00::1::2")
@settings(max_examples=500, deadline=None)
def test_what_is_found_as_ipv6_is_an_address(text: str) -> None:
    for found in find_public_ipv6(text):
        assert ipaddress.IPv6Address(text[found.begin : found.end]) in ipaddress.ip_network("2000::/3")


@pytest.mark.parametrize("text", ["2a00::1", "(2a00::1)", "at 2a00:1:2:3:4:5:6:7, yes", "2A00::"])
def test_an_ipv6_address_is_found_in_its_surroundings(text: str) -> None:
    assert len(list(find_public_ipv6(text))) == 1


@pytest.mark.parametrize(
    "text", ["x2a00::1", "2a00::1x", ":2a00::1", "2a00:1:2:3:4:5:6", "2a00:1:2:3:4:5:6:7:8", "2a001::1"]
)
def test_what_is_no_ipv6_address_is_not_found(text: str) -> None:
    assert list(find_public_ipv6(text)) == []
