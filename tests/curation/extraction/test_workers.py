"""Pages through worker processes: order, pages that hang or crash, workers that are killed, plugins."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from curation.errors import PluginError
from curation.extraction import Extracted, Limits, Page, extract, extract_pages

HOSTILE = """
import os, signal, sys, time
from pathlib import Path
from curation.extraction.base import Extractor

def act(page):
    word, _, rest = page.html.partition(" ")
    if word == "spin":
        while True: pass
    if word == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "raise":
        raise ValueError("no page of mine")
    if word == "once" and not Path(rest).exists():
        Path(rest).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "print":
        print("noise on stdout", flush=True)
    if word == "slow":
        time.sleep(0.05)
    return "kept " + page.html

HOSTILE = Extractor(extract=act, version=lambda: "test 1", about="a test")
"""


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Install an extractor of another package that hangs and crashes when told."""
    info = tmp_path / "hostile_extractor-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile-extractor\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[curate.extractors]\nhostile@1 = hostile_extractor:HOSTILE\n")
    (tmp_path / "hostile_extractor.py").write_text(HOSTILE)
    monkeypatch.syspath_prepend(tmp_path)
    return "hostile"


def run(name: str, words: list[str], *, workers: int = 2, cpu_seconds: float = 30.0) -> list[Extracted]:
    pages = ((number, Page(content=word.encode())) for number, word in enumerate(words))
    found = list(extract_pages(name, pages, workers=workers, limits=Limits(cpu_seconds=cpu_seconds)))
    assert [number for number, _ in found] == list(range(len(words)))
    return [item for _, item in found if item is not None]


def test_order_and_results_are_those_of_one_page_after_another(hostile: str) -> None:
    words = [f"slow {n}" if n % 5 == 0 else f"fast {n}" for n in range(40)]
    expected = [extract(hostile, word.encode()) for word in words]
    assert run(hostile, words, workers=3) == expected
    assert run(hostile, words, workers=1) == expected


def test_hostile_pages_are_counted_and_the_others_are_kept(hostile: str, tmp_path: Path) -> None:
    once = f"once {tmp_path / 'killed'}"
    found = run(hostile, ["a", "spin", "crash", "b", "raise", once, "print", "c"], cpu_seconds=1.0)
    assert [item.reason for item in found] == [
        None, "extractor-timeout", "extractor-died", None, "extractor-failed", None, None, None,
    ]  # fmt: skip
    assert found[5].text == f"kept {once}"  # a stray kill changes nothing
    assert "no page of mine" in found[4].detail


def test_a_page_that_is_quadratic_in_a_library_is_ended() -> None:
    quadratic = (b"<p>x<br>" * 30_000).decode()  # about 100 s of jusText
    started = time.monotonic()
    found = run("justext", [quadratic], workers=1, cpu_seconds=1.0)
    assert [item.reason for item in found] == ["extractor-timeout"]
    assert time.monotonic() - started < 60


def test_what_is_no_page_passes_through_in_its_place() -> None:
    pages = [("a", None), ("b", Page(content=b"<p>text of b</p>")), ("c", None)]
    found = list(extract_pages("resiliparse-all", pages))
    assert [(tag, None if item is None else item.text) for tag, item in found] == [
        ("a", None), ("b", "text of b"), ("c", None),
    ]  # fmt: skip


def test_few_pages_are_read_ahead_and_no_process_outlives_the_reader() -> None:
    read: list[int] = []

    def pages() -> Iterator[tuple[int, Page | None]]:
        for number in range(1_000):
            read.append(number)
            yield number, Page(content=b"<p>text</p>")

    found = extract_pages("resiliparse-all", pages(), workers=2)
    next(found)
    found.close()
    assert len(read) <= 20
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    assert not children.exists() or b"extraction" not in b"".join(
        Path(f"/proc/{child}/cmdline").read_bytes() for child in children.read_text().split()
    )


def test_an_extractor_that_does_not_load_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "broken_extractor-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-extractor\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[curate.extractors]\nbroken@1 = broken_extractor:THING\n")
    (tmp_path / "broken_extractor.py").write_text("import not_installed_anywhere\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match="not_installed_anywhere"):
        list(extract_pages("broken", [(1, Page(content=b"x"))]))
