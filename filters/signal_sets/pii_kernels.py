"""Which documents can hold which personal data: a scan over bytes that lets the expressions skip the others.

A bit that is not set is a promise (no pattern of `filters.pii_patterns` matches); a set bit promises nothing.
"""

from __future__ import annotations

from typing import Any

from curation.compiled import kernel
from filters.signal_sets.words_kernels import BYTES, OFFSETS

MAY_EMAIL, MAY_IP, MAY_PHONE, MAY_CARD, MAY_IBAN = 1, 2, 4, 8, 16
MIN_IP_BYTES, MIN_IP_DOTS = 7, 3
MIN_PHONE_DIGITS, MIN_CARD_DIGITS = 8, 13


@kernel()
def is_digit(byte: int) -> bool:
    """Return whether a byte is an ASCII digit."""
    return 0x30 <= byte <= 0x39


@kernel()
def is_between_digits(byte: int) -> bool:
    """Return whether a byte can stand inside a phone or card number: space ( ) + - or a full stop."""
    return byte == 0x20 or byte == 0x28 or byte == 0x29 or byte == 0x2B or byte == 0x2D or byte == 0x2E


@kernel()
def starts_iban(data: Any, at: int, end: int) -> bool:
    """Return whether two capitals and two digits stand at `data[at]`."""
    if at + 4 > end or not (0x41 <= data[at] <= 0x5A and 0x41 <= data[at + 1] <= 0x5A):
        return False
    return is_digit(data[at + 2]) and is_digit(data[at + 3])


@kernel()
def document_bits(data: Any, begin: int, end: int) -> int:
    """Return the bits of one document."""
    bits = 0
    digits, dotted, dots = 0, 0, 0  # digits in this run of digits and separators; bytes and dots in this dotted run
    for i in range(begin, end):
        byte = data[i]
        if is_digit(byte):
            digits += 1
            dotted += 1
            bits |= MAY_PHONE if digits >= MIN_PHONE_DIGITS else 0
            bits |= MAY_CARD if digits >= MIN_CARD_DIGITS else 0
            bits |= MAY_IP if dotted >= MIN_IP_BYTES and dots >= MIN_IP_DOTS else 0
            continue
        if byte == 0x2E:
            dotted += 1
            dots += 1
            continue
        dotted, dots = 0, 0
        if is_between_digits(byte):
            continue
        digits = 0
        if byte == 0x40:
            bits |= MAY_EMAIL
        elif starts_iban(data, i, end):
            bits |= MAY_IBAN
    return bits


@kernel(f"void({BYTES}, {OFFSETS}, uint8[::1])")
def possible_pii(data: Any, offsets: Any, out: Any) -> None:
    """Fill `out` with the bits of each document."""
    for row in range(len(offsets) - 1):
        out[row] = document_bits(data, offsets[row], offsets[row + 1])
