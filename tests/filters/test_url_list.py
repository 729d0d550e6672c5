"""The filter `url-list`: each list in DCLM's meaning, near misses, datatrove's filter where the meanings coincide."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import RecipeError
from filters.signal_sets.urls import host_names, substring_counter, word_counter

ADDRESSES = st.text(alphabet="abx-._/ é", max_size=30)
ENTRIES = st.lists(st.sampled_from(["ab", "a", "x-a", "bb", "é", "a_b", "xab"]), max_size=5, unique=True)


def doc(id_: str, url: str | None, slice_: str = "prose") -> dict[str, Any]:
    return {"id": id_, "text": "text", "slice": slice_, "role": 0, "url": url}


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str]]:
    monkeypatch.chdir(tmp_path)

    def make(**entries: str) -> dict[str, str]:
        for name, text in entries.items():
            (tmp_path / f"{name}.txt").write_text("# a comment\n\n" + text.replace(" ", "\n") + "\n", encoding="utf-8")
        return {name: f"{name}.txt" for name in entries}

    return make


CASES = [
    ("domains", "bad.com", "https://www.bad.com/page", "banned-domain"),
    ("domains", "BAD.com", "http://user@Bad.com:8080/", "banned-domain"),
    ("domains", "bad.com", "https://notbad.com/bad.com", None),
    ("domains", "bad.com", "https://sub.bad.com/", None),
    ("urls", "https://a.org/x", "https://a.org/X", "banned-url"),
    ("urls", "https://a.org/x", "https://a.org/x/y", None),
    ("strict", "badword", "https://a.org/bad-w.ord1", "banned-part-of-url"),
    ("strict", "bad-word", "https://a.org/bad-word", "banned-part-of-url"),
    ("strict", "badword", "https://a.org/bad_word", None),
    ("hard", "casino", "https://a.org/my-casino-page", "banned-word-in-url"),
    ("hard", "casino", "https://a.org/casinos", None),
    ("hard", "casino", "https://a.org/my_casino", None),
    ("hard", "live-cam", "https://a.org/live-cam/1", "banned-word-in-url"),
    ("soft", "chat cam", "https://chat.org/cam", "banned-soft-words-in-url"),
    ("soft", "chat cam", "https://chat.org/chat/chat", None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "entries", "url", "reason"), CASES)
def test_each_list_drops_what_it_says_and_no_more(
    make_world: Callable[..., Any], lists: Callable[..., Any], name: str, entries: str, url: str, reason: str | None
) -> None:
    assert make_world([doc("a", url)]).judge("url-list", **lists(**{name: entries}))["a"] == reason


def test_without_a_list_every_page_passes_and_the_summary_says_so(make_world: Callable[..., Any]) -> None:
    world = make_world([doc("a", "https://bad.com/")])
    artifact = world.build("url-list")
    assert world.verdicts(artifact) == {"a": None}
    assert set(artifact.summary["entries"].values()) == {0}
    assert artifact.summary["notes"] == ["no list given: every page passes"]


def test_one_list_with_an_entry_needs_no_note(make_world: Callable[..., Any], lists: Callable[..., Any]) -> None:
    world = make_world([doc("a", "https://bad.com/")])
    assert world.build("url-list", **lists(hard="casino")).summary["notes"] == []


def test_a_registered_domain_bans_the_hosts_in_it(make_world: Callable[..., Any], lists: Callable[..., Any]) -> None:
    rows = [
        doc("sub", "https://a.b.bad.co.uk/x"),
        doc("other", "https://bad.uk/"),
        doc("suffix", "https://good.co.uk/"),
    ]
    found = make_world(rows).judge("url-list", match="registrable", **lists(domains="bad.co.uk"))
    assert found == {"sub": "banned-domain", "other": None, "suffix": None}


def test_documents_without_address_pass_and_are_counted(
    make_world: Callable[..., Any], lists: Callable[..., Any]
) -> None:
    world = make_world(
        [doc("a", None), doc("b", ""), doc("c", "https://bad.com/"), doc("d", "https://bad.com", "code")]
    )
    artifact = world.build("url-list", **lists(domains="bad.com"))
    assert world.verdicts(artifact) == {"a": None, "b": None, "c": "banned-domain", "d": None}
    assert artifact.summary["urls"] == {"docs_with_url": 1, "docs_without_url": 2}


@pytest.mark.parametrize(
    "url", ["http://[::1", "//", "http://", "not a url", "http://\x00.com", "🎉", "http://x" * 9999]
)
def test_addresses_that_are_none_are_survived(
    make_world: Callable[..., Any], lists: Callable[..., Any], url: str
) -> None:
    assert make_world([doc("a", url)]).judge("url-list", match="registrable", **lists(domains="bad.com")) == {"a": None}


def test_the_order_of_a_list_does_not_change_the_verdicts_identity_but_an_entry_does(
    make_world: Callable[..., Any], lists: Callable[..., Any]
) -> None:
    world = make_world([doc("a", "https://a.org")])
    prints = [world.build("url-list", **lists(hard=entries)).fingerprint for entries in ("x y", "y x x", "x z")]
    assert prints[0] == prints[1] != prints[2]


@given(ENTRIES, ADDRESSES)
@settings(max_examples=300, deadline=None)
def test_words_are_counted_as_dclms_expression_does(entries: list[str], text: str) -> None:
    longest_first = sorted(entries, key=len, reverse=True)
    expected = set(re.findall(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b", text)) if entries else set()
    assert word_counter(tuple(entries))(text) == len(expected)


@given(ENTRIES, ADDRESSES)
@settings(max_examples=300, deadline=None)
def test_substrings_are_counted_once_each(entries: list[str], text: str) -> None:
    assert substring_counter(entries)(text) == sum(entry in text for entry in entries)


@pytest.mark.parametrize(
    ("address", "host"), [("www.bad.com/x", "bad.com"), ("https://www.bad.com:80/x", "bad.com"), ("//u@b.c/", "b.c")]
)
def test_the_host_of_an_address(address: str, host: str) -> None:
    assert host_names(address, registrable=False) == (host,)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"hard": "absent.txt"}, "list absent.txt cannot be read"),
        ({"hard": "empty.txt"}, "list empty.txt has no entry"),
        ({"hard": "bytes.txt"}, "list bytes.txt cannot be read"),
        ({"hards": "x"}, "did you mean `hard`"),
    ],
)
def test_a_list_that_cannot_be_read_is_an_error(
    make_world: Callable[..., Any], lists: Callable[..., Any], tmp_path: Path, params: dict[str, str], message: str
) -> None:
    (tmp_path / "empty.txt").write_text("# nothing\n", encoding="utf-8")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(RecipeError, match=message):
        make_world([]).build("url-list", **params)


URLS = [
    "https://good.org/news", "https://bad.com/x", "https://deep.bad.com/x", "https://a.org/my-casino", "https://a.org/casinos",
    "https://chat.org/cam/1", "https://chat.org/chat", "https://a.org/badword1", "https://a.org/exact", "https://a.co.uk/cam",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*registered_domain:DeprecationWarning")  # datatrove's use of tldextract
def test_verdicts_equal_datatroves_where_the_meanings_coincide(
    make_world: Callable[..., Any], lists: Callable[..., Any]
) -> None:
    """Lower-case addresses without `_`, entries of letters and digits: datatrove's reasons by its own names."""
    url_filter = import_module("datatrove.pipeline.filters.url_filter")
    document = import_module("datatrove.data").Document
    tldextract = import_module("tldextract")
    theirs = url_filter.URLFilter(
        extra_domains=["bad.com"], extra_urls=["https://a.org/exact"], banned_words=["casino"],
        banned_subwords=["badword"], soft_banned_words=["chat", "cam"], use_integrated_lists=False,
    )  # fmt: skip
    theirs.tldextractor = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())  # its own would ask the network
    kept = [theirs.filter(document(text="", id=url, metadata={"url": url})) is True for url in URLS]
    ours = lists(domains="bad.com", urls="https://a.org/exact", hard="casino", strict="badword", soft="chat cam")
    found = make_world([doc(url, url) for url in URLS]).judge("url-list", match="registrable", **ours)
    assert [found[url] is None for url in URLS] == kept
    assert 3 < sum(kept) < len(URLS)
