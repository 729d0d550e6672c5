r"""One 16-bit class per code point, for kernels that must agree with `str` methods and with UAX #29.

Bits 0-4 are the Word_Break value (index into `WORD_BREAKS`) and bit 11 is Extended_Pictographic, both of Unicode 16.0;
bits 5-10 are `str.isalpha`, `isalnum`, `isupper`, `isdigit`, `isdecimal` and `isspace` of Unicode 14.0 (Python 3.11).
The table is a file, not computed, so that a verdict does not move with Python's Unicode version. `re`'s `\w` is
"alphanumeric or _", `\d` is decimal, `\s` is space.
Source: Unicode Character Database; UAX #29 revision 45, table 3.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

WORD_BREAKS = (
    "Other CR LF Newline Extend ZWJ Regional_Indicator Format Katakana Hebrew_Letter ALetter Single_Quote Double_Quote "
    "MidNumLet MidLetter MidNum Numeric ExtendNumLet WSegSpace"
).split()
"""Values of the property Word_Break in the order of bits 0-4."""

NUM_CODE_POINTS = 0x110000


@cache
def unicode_classes() -> npt.NDArray[np.uint16]:
    """Return the class of every code point; index it by code point. Read-only."""
    lines = Path(__file__).with_suffix(".txt").read_text("ascii").splitlines()
    runs = [run.split(":") for line in lines if not line.startswith("#") for run in line.split()]
    values = np.array([int(value, 16) for value, _ in runs], np.uint16)
    classes = np.repeat(values, [int(length, 16) for _, length in runs])
    assert len(classes) == NUM_CODE_POINTS
    classes.flags.writeable = False
    return classes
