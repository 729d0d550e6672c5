"""In which encoding a page is, and its text: declarations are asked first and believed only when the text bears them.

Order: byte order mark; UTF-8 when the bytes are valid UTF-8 beyond ASCII (by chance almost never); the HTTP header;
`<meta charset>`; uchardet; charset-normalizer. The first whose text is plausible is taken, else the most plausible.
Labels mean what the WHATWG standard says: `iso-8859-1` is windows-1252, `gb2312` is gb18030.
Source: WHATWG Encoding and HTML standards (labels, prescan of 1,024 bytes); the test of plausibility is ours.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

CHARSET_VERSION = "1"
MAX_BAD_FRACTION = 0.02
"""Share of implausible characters among those beyond ASCII up to which a declaration is believed."""
PRESCAN_BYTES = 1_024
SAMPLE_BYTES = 200_000
"""Bytes of a page that plausibility is judged on."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_META = re.compile(rb"<meta[^>]{0,300}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)
_XML = re.compile(rb"^\s*<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([\w.:-]{2,40})", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_WORD = re.compile(r"[^\W\d_]{2,}")
_ODD = re.compile("[\ufffd\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ue000-\uf8ff]")
_SIGNS_IN_WORDS = re.compile(
    "(?<=[^\\W\\d_])[\xa1-\xbf\xd7\xf7\u2018-\u2022\u20ac\u2030\u02c6\u02dc\u2122](?=[^\\W\\d_])"
)
"""Signs that Western code pages put where other encodings have letters."""
_APOSTROPHES = frozenset("\xb7\u2018\u2019")
"""Between letters these are no fault: l'eau, col·legi."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A page's characters and how they were found."""

    html: str
    charset: str
    how: str
    """`bom`, `utf-8`, `header`, `meta`, `detected` or `fallback`."""
    bad_fraction: float
    """Implausible characters among those beyond ASCII."""


def decode(content: bytes, declared: str | None = None) -> Decoded:
    """Return the page as text; bytes that the encoding cannot have become U+FFFD."""
    for mark, charset in _MARKS:
        if content.startswith(mark):
            return _decoded(content[len(mark) :], charset, "bom")
    wide = _wide(content)
    if wide is not None:
        return _decoded(content, wide, "detected")
    if not content.isascii() and _is_utf8(content):
        return Decoded(html=content.decode("utf-8", "replace"), charset="utf-8", how="utf-8", bad_fraction=0.0)
    best: Decoded | None = None
    for charset, how in _candidates(content, declared):
        found = _decoded(content, charset, how)
        if found.bad_fraction <= MAX_BAD_FRACTION:
            return found
        if best is None or found.bad_fraction < best.bad_fraction:
            best = found
    assert best is not None  # there is always the fallback
    return best


def standard_name(label: str | None) -> str | None:
    """Return the encoding that a label means on the web; None for one that is unknown or not to be believed."""
    from resiliparse.parse.encoding import map_encoding_to_html5

    name = map_encoding_to_html5(label.strip().lower(), fallback_utf8=False) if label and label.isascii() else None
    name = re.sub(r"^cp(?=125\d$)", "windows-", str(name)) if name is not None else None
    try:
        return None if name is None or not codecs.lookup(name)._is_text_encoding else name
    except LookupError:
        return None


def meta_charset(content: bytes) -> str | None:
    """Return what the page says of itself in its first bytes; UTF-16 there can only mean UTF-8."""
    head = content[:PRESCAN_BYTES]
    match = _META.search(head) or _XML.search(head)
    name = standard_name(match[1].decode("ascii")) if match else None
    return "utf-8" if name is not None and name.startswith("utf-16") else name


def bad_fraction(html: str) -> float:
    """Return the share of implausible characters among those beyond ASCII; 0 for a page of ASCII.

    Implausible are: U+FFFD, control and private characters; letters of words that mix Latin with another script; Latin
    words of four letters and more that are accented all through (`Ïðèâåò`); signs inside words (`Ã¼`).
    """
    text = _TAG.sub(" ", html)
    beyond = sum(not char.isascii() for char in text)
    if not beyond:
        return float(bool(_ODD.search(text)))
    bad = len(_ODD.findall(text)) + sum(sign not in _APOSTROPHES for sign in _SIGNS_IN_WORDS.findall(text))
    for word in _WORD.findall(text):
        if not word.isascii():
            bad += _implausible(word)
    return min(1.0, bad / beyond)


def _implausible(word: str) -> int:
    scripts = {_script(char) for char in word}
    accented = sum(not char.isascii() for char in word)
    if "latin" in scripts and scripts & _APART:
        return accented
    return accented if scripts == {"latin"} and accented >= 4 and accented > 0.7 * len(word) else 0


_APART = frozenset({"cyrillic", "greek", "hebrew", "arabic", "thai"})
"""Scripts that share no word with Latin letters."""


@cache
def _script(char: str) -> str:
    return "latin" if char.isascii() else unicodedata.name(char, "other").split(" ")[0].lower()


def _candidates(content: bytes, declared: str | None) -> Iterator[tuple[str, str]]:
    """Yield (encoding, how) in order of trust; detectors are asked only when declarations failed."""
    seen: set[str] = set()
    for name, how in ((standard_name(declared), "header"), (meta_charset(content), "meta")):
        if name is not None and name not in seen:
            seen.add(name)
            yield name, how
    if content.isascii():
        yield "utf-8", "utf-8"
        return
    for name in _detected(content):
        if name not in seen:
            seen.add(name)
            yield name, "detected"
    yield "windows-1252", "fallback"


def _detected(content: bytes) -> Iterator[str]:
    from resiliparse.parse.encoding import detect_encoding

    sample = content[:SAMPLE_BYTES]
    name = standard_name(detect_encoding(sample))
    if name is not None:
        yield name
    from charset_normalizer import from_bytes

    found = from_bytes(_TAG_BYTES.sub(b" ", sample), enable_fallback=False).best()
    name = standard_name(found.encoding.replace("_", "-")) if found is not None else None
    if name is not None:
        yield name


_TAG_BYTES = re.compile(rb"<[^<>]*>")


def _decoded(content: bytes, charset: str, how: str) -> Decoded:
    html = content.decode(charset, "replace")
    return Decoded(html=html, charset=charset, how=how, bad_fraction=bad_fraction(html[:SAMPLE_BYTES]))


def _is_utf8(content: bytes) -> bool:
    """Whether the bytes are UTF-8 but for a character that the end cut off, or a stray byte in a thousand."""
    text = content.decode("utf-8", "replace")
    beyond = sum(map(len, re.findall("[^\x00-\x7f]+", text)))
    return text.count("\ufffd") <= max(1, beyond // 1_000) < beyond


def _wide(content: bytes) -> str | None:
    """Return the UTF-16 that a page without a mark is in: every second byte of its markup is zero."""
    head = content[:PRESCAN_BYTES]
    if len(head) < 16 or not 0.3 < head.count(0) / len(head) < 0.6:
        return None
    return "utf-16-le" if head[1::2].count(0) > head[0::2].count(0) else "utf-16-be"
