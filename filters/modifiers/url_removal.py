"""The modifier `url-removal`: takes out URLs and IPv4 addresses as DCLM does, in linear time.

A URL is an optional scheme, 1 to 256 host characters, a dot and a top-level domain as a whole word, then whatever path
characters follow; up to ten whitespace characters before it go too. E-mail addresses look the same to the published
expression and go as well, and so do file names such as `setup.py`. Two differences. DCLM's code asks whether the *page
begins* with a top-level domain (`re.match`) before it looks for URLs; `dialect: dclm` does so too, `dialect: curate`
(default) looks at every page. Names of scripts with combining marks are compared as whole words with their marks.
Source: DCLM, arXiv:2406.11794, baselines/mappers/modifiers.py `url_removal_modifier`; list: IANA root zone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.files import Json
from filters.modifiers.base import Counter, Modifier, ModifierSettings, Rewritten, over_texts, rewrite_rows
from filters.pii_patterns import Found

LIST = Path(__file__).parent / "data" / "tlds.txt"
MAX_HOST_CHARS = 256
MAX_SPACES = 10

_DOT_WORD = re.compile(r"\.(\w[\w\u0900-\u0dff\u0e00-\u0eff]*)")
_HOST = re.compile(r"[-a-zA-Z0-9@:%._+~#=]+")
_HOST_CHARS = frozenset("-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@:%._+~#=")
_PATH = re.compile(r"[-a-zA-Z0-9()@:%_+.~#?&/=]*")
_SCHEME = re.compile(r"(?:https?|ftp)://\Z")
_IPV4 = re.compile(
    r"\s{0,10}\b(?:(?:https?|ftp)://)?(?:[0-2]?[0-9]{1,2}\.){3}[0-2]?[0-9]{1,2}[-a-zA-Z0-9()@:%_+.~#?&/=]*"
)
_MAYBE_URL = r"\.[^\x00-\x60\x7b-\x7f]"
_MAYBE_IPV4 = r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]"


class UrlSettings(ModifierSettings):
    """Which pages are searched."""

    dialect: Literal["curate", "dclm"] = "curate"


@cache
def top_level_domains() -> frozenset[str]:
    """Return the top-level domains, in lower case."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return frozenset(name for line in lines if not line.startswith("#") for name in line.split())


def find_urls(text: str) -> Iterator[Found]:
    """Yield URLs with the whitespace before them."""
    domains = top_level_domains()
    dots = [found for found in _DOT_WORD.finditer(text) if found[1] in domains]
    done = number = 0
    while number < len(dots):
        first = dots[number]
        number += 1
        host = _host_begin(text, done, first.start())
        if first.start() < done or host == first.start():
            continue
        limit = _HOST.match(text, host, host + MAX_HOST_CHARS)
        last = first
        while limit and number < len(dots) and dots[number].start() <= limit.end():
            last = dots[number]
            number += 1
        tail = _PATH.match(text, last.end())
        end = tail.end() if tail else last.end()
        yield Found(begin=_with_prefix(text, done, host), end=end)
        done = end


def _host_begin(text: str, done: int, dot: int) -> int:
    """Return where the host before `dot` begins: at most 256 characters back, not before `done`."""
    begin = dot
    while begin > max(done, dot - MAX_HOST_CHARS) and text[begin - 1] in _HOST_CHARS:
        begin -= 1
    return begin


def _with_prefix(text: str, done: int, host: int) -> int:
    """Return where the match begins that has its host at `host`: scheme and whitespace before it belong to it."""
    if host > done and text[host - 1] in _HOST_CHARS:
        return host  # cut out of a longer run: nothing but the 256 characters matches
    scheme = _SCHEME.search(text, max(done, host - len("https://")), host)
    begin = scheme.start() if scheme else host
    first = max(done, begin - MAX_SPACES)
    while begin > first and text[begin - 1].isspace():
        begin -= 1
    return begin


def begins_with_domain(text: str) -> bool:
    """Return whether the text begins with the letters of a top-level domain, in any case."""
    head = text[:32].lower()
    return any(head[:size] in top_level_domains() for size in range(2, len(head) + 1))


def _rewrite(texts: pa.Array, settings: Any) -> Rewritten:
    def cleaned(text: str) -> tuple[str, Mapping[str, int]]:
        found = list(find_urls(text)) if settings.dialect == "curate" or begins_with_domain(text) else []
        pieces = [text[left.end : right.begin] for left, right in pairwise(found)]
        kept = "".join([text[: found[0].begin], *pieces, text[found[-1].end :]]) if found else text
        kept, num_ips = _IPV4.subn("", kept)
        return kept, {"urls": len(found), "ip-addresses": num_ips}

    maybe = pc.or_(pc.match_substring_regex(texts, _MAYBE_URL), pc.match_substring_regex(texts, _MAYBE_IPV4))
    return rewrite_rows(texts, np.flatnonzero(maybe.to_numpy(zero_copy_only=False)), cleaned)


def _identity(_: Any) -> Mapping[str, Json]:
    return {"tlds": hashlib.sha256(LIST.read_bytes()).hexdigest()[:16]}


URL_REMOVAL = Modifier(
    name="url-removal",
    version="url-removal@1",
    summary="Takes out URLs, e-mail addresses and IPv4 addresses.",
    source="DCLM arXiv:2406.11794, baselines/mappers/modifiers.py `url_removal_modifier`; IANA root zone",
    settings=UrlSettings,
    rewrite=over_texts(_rewrite),
    counters=(
        Counter(name="urls", meaning="URLs and whatever else ends in a top-level domain, taken out"),
        Counter(name="ip-addresses", meaning="IPv4 addresses, with scheme and path, taken out"),
    ),
    identity=_identity,
)
