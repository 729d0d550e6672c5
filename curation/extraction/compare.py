"""What extractors keep of the same pages: length, boilerplate, agreement, speed.

Words are runs of letters and digits, lower case; Chinese, Japanese and Thai characters count one by one. Agreement of
two texts is F1 over their words with multiplicity. *Boilerplate share*: of the characters kept, the share in lines that
stand on at least 3 pages, and a third of all pages, of one host; only hosts with 3 pages or more count, else None.
*Only share*: of the words kept, the share that no other compared extractor keeps on that page. *Kept*: characters
beside those of all visible text (`resiliparse-all@1`).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from urllib.parse import urlsplit

from curation.extraction.base import Extracted
from curation.extraction.extract import resolve
from curation.extraction.page_files import Sample
from curation.extraction.workers import extract_pages

ALL_TEXT = "resiliparse-all@1"
MIN_HOST_PAGES = 3

_WORD = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]|[^\W_\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One extractor over all pages."""

    name: str
    num_pages: int
    num_empty: int
    reasons: dict[str, int]
    kept_chars: int
    kept_fraction: float | None
    """Of the characters of all visible text."""
    boilerplate_fraction: float | None
    only_fraction: float
    titles: int
    dates: int
    pages_a_cpu_second: float
    megabytes_a_cpu_second: float
    precision: float | None
    """Mean over pages with a reference text."""
    recall: float | None
    f1: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Several extractors over the same pages."""

    samples: Sequence[Sample]
    found: dict[str, list[Extracted]]
    """By full name, in the order of `samples`."""
    summaries: list[Summary]
    agreement: dict[tuple[str, str], float]
    """Mean F1 over pages where either kept something."""


def compare(names: Sequence[str], samples: Sequence[Sample], *, workers: int = 1) -> Comparison:
    """Return what each extractor keeps of the pages.

    Raises: PluginError for an unknown extractor.
    """
    full = list(dict.fromkeys(resolve(name, "--extract") for name in names))
    found = {name: _run(name, samples, workers) for name in full}
    visible = found[ALL_TEXT] if ALL_TEXT in found else _run(ALL_TEXT, samples, workers)
    bags = {name: [words(item.text) for item in items] for name, items in found.items()}
    num_visible = sum(len(item.text) for item in visible)
    pairs = {(a, b): _agreement(bags[a], bags[b]) for a in full for b in full if a != b}
    return Comparison(
        samples=samples,
        found=found,
        summaries=[_summary(name, samples, found, bags, num_visible) for name in full],
        agreement=pairs,
    )


def words(text: str) -> Counter[str]:
    """Return the words of a text with how often they occur."""
    return Counter(_WORD.findall(text.lower()))


def scores(kept: Counter[str], truth: Counter[str]) -> tuple[float, float, float]:
    """Return precision, recall and F1 over words with multiplicity; empty against empty is 1."""
    common, num_kept, num_truth = (kept & truth).total(), kept.total(), truth.total()
    if not num_kept and not num_truth:
        return 1.0, 1.0, 1.0
    precision = common / num_kept if num_kept else 0.0
    recall = common / num_truth if num_truth else 0.0
    return precision, recall, 2 * common / (num_kept + num_truth)


def boilerplate_fraction(samples: Sequence[Sample], texts: Sequence[str]) -> float | None:
    """Return the share of characters in lines that many pages of one host share; None without such hosts."""
    hosts: dict[str, list[set[str]]] = defaultdict(list)
    lines = [[line.strip() for line in text.split("\n") if line.strip()] for text in texts]
    names = [urlsplit(sample.page.url or "").hostname or "" for sample in samples]
    for host, own in zip(names, lines, strict=True):
        if host:
            hosts[host].append(set(own))
    counts = {host: Counter(line for page in pages for line in page) for host, pages in hosts.items()}
    total = shared = 0
    for host, own in zip(names, lines, strict=True):
        num_pages = len(hosts.get(host, ()))
        if num_pages < MIN_HOST_PAGES:
            continue
        for line in own:
            total += len(line)
            shared += len(line) * (counts[host][line] >= max(MIN_HOST_PAGES, num_pages / 3))
    return shared / total if total else None


def _run(name: str, samples: Sequence[Sample], workers: int) -> list[Extracted]:
    pages = ((number, sample.page) for number, sample in enumerate(samples))
    return [item for _, item in extract_pages(name, pages, workers=workers) if item is not None]


def _agreement(a: Sequence[Counter[str]], b: Sequence[Counter[str]]) -> float:
    each = [scores(x, y)[2] for x, y in zip(a, b, strict=True) if x or y]
    return fmean(each) if each else 1.0


def _summary(
    name: str,
    samples: Sequence[Sample],
    found: dict[str, list[Extracted]],
    bags: dict[str, list[Counter[str]]],
    num_visible: int,
) -> Summary:
    items, own = found[name], bags[name]
    others = [bag for other, bag in bags.items() if other != name]
    only = sum((mine - _most(bag[place] for bag in others)).total() for place, mine in enumerate(own))
    judged = [
        scores(mine, words(sample.reference))
        for mine, sample in zip(own, samples, strict=True)
        if sample.reference is not None
    ]
    mean = [fmean(column) for column in zip(*judged, strict=True)] if judged else [None] * 3
    seconds = max(sum(item.cpu_seconds for item in items), 1e-9)
    chars = sum(len(item.text) for item in items)
    return Summary(
        name=name,
        num_pages=len(items),
        num_empty=sum(not item.text for item in items),
        reasons=dict(Counter(item.reason for item in items if item.reason)),
        kept_chars=chars,
        kept_fraction=chars / num_visible if num_visible else None,
        boilerplate_fraction=boilerplate_fraction(samples, [item.text for item in items]),
        only_fraction=only / max(1, sum(bag.total() for bag in own)) if others else 0.0,
        titles=sum(item.title is not None for item in items),
        dates=sum(item.date is not None for item in items),
        pages_a_cpu_second=len(items) / seconds,
        megabytes_a_cpu_second=sum(len(sample.page.content) for sample in samples) / 1e6 / seconds,
        precision=mean[0],
        recall=mean[1],
        f1=mean[2],
    )


def _most(bags: Iterable[Counter[str]]) -> Counter[str]:
    union: Counter[str] = Counter()
    for bag in bags:
        union |= bag
    return union
