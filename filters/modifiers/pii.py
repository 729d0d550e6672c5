"""The modifier `pii`: masks e-mail addresses, public IP addresses, phone, card and account numbers.

Masks are strings that look like what they replace, so that the text stays natural, from ranges that nobody owns. Each
kind's masks are used in turn, from the first one in every document; datatrove goes on through the whole stream, so its
output depends on the order of documents. With `kinds: [email, public-ip]` a single document comes out as datatrove's
`PIIFormatter` writes it (IP masks included, which are public addresses that answered nobody when they were chosen).
Source: FineWeb, arXiv:2406.17557, section 3.7; datatrove 0.10.1 `pipeline/formatters/pii.py`; the other kinds: ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from curation.batches import text_view
from curation.recipe import Strings
from filters.modifiers.base import Counter, EveryKindSettings, Modifier, Rewritten, over_texts, rewrite_rows
from filters.modifiers.ipv6 import find_public_ipv6
from filters.pii_patterns import PII_PATTERNS, Found

Kind = Literal["email", "public-ip", "public-ipv6", "iban", "credit-card", "phone"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""In the order in which they are masked: e-mail before IP as in datatrove; an account number before a card's digits."""

Masks = Annotated[Strings, Field(min_length=1)]
Finder: TypeAlias = Callable[[str], Iterator[Found]]

FINDERS: Mapping[str, Finder] = {
    "public-ipv6": find_public_ipv6,
    **{name: pattern.find for name, pattern in PII_PATTERNS.items()},
}


class PiiSettings(EveryKindSettings):
    """What is masked and with which strings."""

    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = ("email", "public-ip", "public-ipv6", "phone")
    email: Masks = ("email@example.com", "firstname.lastname@example.org")
    public_ip: Masks = (
        "22.214.171.124",
        "126.96.36.199",
        "188.8.131.52",
        "184.108.40.206",
        "220.127.116.11",
        "18.104.22.168",
    )
    public_ipv6: Masks = ("2001:db8::1",)
    """The default lies in the range for documentation (RFC 3849)."""
    iban: Masks = ("GB33BUKB20201555555555",)
    credit_card: Masks = ("4111 1111 1111 1111",)
    phone: Masks = ("202-555-0147",)
    """The default lies in the range for fiction (555-0100 to 555-0199)."""

    def masks(self, kind: Kind) -> Sequence[str]:
        """Return the masks of one kind."""
        masks: Sequence[str] = getattr(self, kind.replace("-", "_"))
        return masks


def mask(text: str, find: Finder, masks: Sequence[str]) -> tuple[str, int]:
    """Return `text` with the i-th find replaced by the i-th mask, cyclically, and how many finds that changed."""
    pieces = []
    done = changed = 0
    for number, found in enumerate(find(text)):
        new = masks[number % len(masks)]
        changed += text[found.begin : found.end] != new
        pieces += [text[done : found.begin], new]
        done = found.end
    return ("".join([*pieces, text[done:]]), changed) if changed else (text, 0)


def _rewrite(texts: pa.Array, settings: Any) -> Rewritten:
    possible = _possible(texts)
    kinds = [kind for kind in KINDS if kind in settings.kinds]

    def masked(text: str) -> tuple[str, Mapping[str, int]]:
        counts = {}
        for kind in kinds:
            text, counts[f"{kind}-masked"] = mask(text, FINDERS[kind], settings.masks(kind))
        return text, counts

    rows = np.flatnonzero(np.logical_or.reduce([possible[kind] for kind in kinds]))
    return rewrite_rows(texts, rows, masked)


def _possible(texts: pa.Array) -> Mapping[str, npt.NDArray[np.bool_]]:
    """Return which texts can hold each kind; False is a promise."""
    from filters.signal_sets.pii_kernels import possible_pii

    view = text_view(texts)
    bits = np.zeros(len(view), np.uint8)
    possible_pii(view.data, view.offsets, bits)
    found = {name: (bits >> bit & 1).astype(np.bool_) for bit, name in enumerate(PII_PATTERNS)}
    colons = pc.count_substring(texts, ":").to_numpy(zero_copy_only=False) >= 7
    return {**found, "public-ipv6": colons | pc.match_substring(texts, "::").to_numpy(zero_copy_only=False)}


PII_MASKING = Modifier(
    name="pii",
    version="pii@1",
    summary="Masks e-mail addresses, public IPs and phone numbers; on request card numbers and IBANs.",
    source="FineWeb arXiv:2406.17557 3.7; datatrove 0.10.1 formatters/pii.py; RFC 4291, E.164, ISO 7812-1, ISO 13616",
    settings=PiiSettings,
    rewrite=over_texts(_rewrite),
    counters=tuple(Counter(name=f"{kind}-masked", meaning=f"finds of kind {kind}, masked") for kind in KINDS),
)
