"""The signal set `url`: what of a page's address stands on the user's lists, in DCLM's meaning.

Domain: the host in lower case, without port, user and a leading `www.`. Strict entries are substrings of the address in
lower case without `-` and `.`; hard and soft entries stand in it between word boundaries (`_` is part of a word).
Where DCLM's code and intent differ the intent is taken: it deletes every `www` and so leaves `.example.com`, which no
list holds; and strict entries lose their `-` and `.` too, for with them they could never match.
Source: DCLM, arXiv:2406.11794; `metadata_filters.py`, `dclm_baseline_refinedweb.yaml`; RefinedWeb arXiv:2306.01116.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa

from filters.signals import Matrix, Signal, SignalSet
from filters.word_lists import WordList

_WORD = re.compile(r"\w+")
_IGNORED = str.maketrans("", "", "-.")


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlLists:
    """The user's lists; an empty one finds nothing."""

    domains: WordList
    urls: WordList
    strict: WordList
    hard: WordList
    soft: WordList
    registrable: bool
    """Whether a listed domain also bans the hosts below it (by the public suffix list)."""


def url_set(lists: UrlLists) -> SignalSet:
    """Return the signal set under `lists`; their digests are its parameters."""
    suffixes = {"suffixes": f"tldextract-{version('tldextract')}"} if lists.registrable else {}
    return SignalSet(
        name="url",
        version="dclm@1",
        source="DCLM arXiv:2406.11794 (baselines/mappers/filters/metadata_filters.py); RefinedWeb arXiv:2306.01116",
        signals=(
            Signal(name="num_urls", unit="0 or 1", meaning="whether the document has an address"),
            Signal(name="num_banned_domains", unit="0 or 1", meaning="whether its domain is listed"),
            Signal(name="num_banned_urls", unit="0 or 1", meaning="whether the address itself is listed"),
            Signal(
                name="num_strict_parts", unit="distinct entries", meaning="strict entries inside it without - and ."
            ),
            Signal(name="num_hard_words", unit="distinct entries", meaning="hard entries that are whole words of it"),
            Signal(name="num_soft_words", unit="distinct entries", meaning="soft entries that are whole words of it"),
        ),
        compute=lambda table: _measure(lists, table),
        columns=("url",),
        params={
            "domains": lists.domains.digest,
            "urls": lists.urls.digest,
            "strict": lists.strict.digest,
            "hard": lists.hard.digest,
            "soft": lists.soft.digest,
            "registrable": lists.registrable,
            **suffixes,
        },
    )


def _measure(lists: UrlLists, table: pa.Table) -> Matrix:
    domains, urls = frozenset(lists.domains.entries), frozenset(lists.urls.entries)
    strict = substring_counter([entry.translate(_IGNORED) for entry in lists.strict.entries])
    hard, soft = word_counter(lists.hard.entries), word_counter(lists.soft.entries)
    matrix = np.zeros((table.num_rows, 6), np.float64)
    for row, address in enumerate(table["url"].to_pylist()):
        if not address:
            continue
        lowered = address.lower()
        names = host_names(lowered, lists.registrable) if domains else ()
        matrix[row] = (
            1,
            any(name in domains for name in names),
            lowered in urls,
            strict(lowered.translate(_IGNORED)),
            hard(lowered),
            soft(lowered),
        )
    return matrix


def host_names(address: str, registrable: bool) -> tuple[str, ...]:
    """Return the host of an address without `www.`; with `registrable` also the host with it and its registered domain.

    An address that cannot be parsed, or has no scheme, is read as far as it goes: up to the first slash.
    """
    rest = address if "//" in address else f"//{address}"
    try:
        host = urlsplit(rest).hostname or ""
    except ValueError:
        host = rest.partition("//")[2].partition("/")[0]
    bare = host.removeprefix("www.")
    if not registrable:
        return (bare,)
    return tuple(dict.fromkeys((bare, host, _suffixes()(host).top_domain_under_public_suffix)))


def substring_counter(entries: list[str]) -> Callable[[str], int]:
    """Return the function that counts the distinct `entries` which a string contains."""
    import ahocorasick

    found = ahocorasick.Automaton(ahocorasick.STORE_INTS)
    for number, entry in enumerate(sorted(set(entries) - {""})):
        found.add_word(entry, number)
    if not len(found):
        return lambda text: 0
    found.make_automaton()
    return lambda text: len({number for _, number in found.iter(text)})


def word_counter(entries: tuple[str, ...]) -> Callable[[str], int]:
    """Return the function that counts the distinct `entries` which stand in a string between word boundaries."""
    if all(_WORD.fullmatch(entry) for entry in entries):
        plain = frozenset(entries)
        return lambda text: len(plain.intersection(_WORD.findall(text))) if plain else 0
    longest_first = sorted(entries, key=lambda entry: (-len(entry), entry))
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b")
    return lambda text: len(set(pattern.findall(text)))


@lru_cache(maxsize=1)
def _suffixes() -> Any:
    """Return the public suffix list that comes with the installed package; it is never fetched."""
    import tldextract

    return tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())
