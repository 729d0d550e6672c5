"""URL removal against the published expressions, run as they stand over a short list of domains."""

from __future__ import annotations

import re
import time
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.recipe import validate
from filters.modifiers.rewriting import rewrite_table
from filters.modifiers.url_removal import URL_REMOVAL, begins_with_domain, find_urls, top_level_domains

DOMAINS = "|".join(sorted(map(re.escape, top_level_domains()), key=len, reverse=True))
URL = re.compile(
    rf"\s{{0,10}}(?:((https?|ftp)://))?[-a-zA-Z0-9@:%._\+~#=]{{1,256}}\.({DOMAINS})\b([-a-zA-Z0-9()@:%_\+.~#?&//=]*)"
)
IPV4 = re.compile(r"\s{0,10}\b((https?|ftp)://)?(?:[0-2]?[0-9]{1,2}\.){3}[0-2]?[0-9]{1,2}[-a-zA-Z0-9()@:%_\+.~#?&//=]*")
PIECES = ["http://", "https://", "ftp://", "a", "B", "9", "x" * 130, ".", "..", "com", "de", "рф", "comx", "/", "(p)",
          " ", "\n", " " * 12, "@", "é", "1.2.3.4", "_", "?q=1", "://", "\u00a0"]  # fmt: skip


def removed(text: str, **params: Any) -> tuple[str, dict[str, int]]:
    chosen = validate(URL_REMOVAL.settings, params, "test")
    made = rewrite_table(URL_REMOVAL, chosen, pa.table({"text": pa.array([text], pa.large_string())}))
    return made.texts[0].as_py(), {name: int(values[0]) for name, values in made.counters.items() if values[0]}


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
@example("xhttp://a.com")
@example(" " * 15 + "https://a.com/b a.de")
@example("x" * 300 + ".com" + "y" * 200 + ".de.com")
@example("a.com.comx b.")
@settings(max_examples=800, deadline=None)
def test_urls_are_the_matches_of_the_published_expression(text: str) -> None:
    assert [(item.begin, item.end) for item in find_urls(text)] == [match.span() for match in URL.finditer(text)]


@given(st.lists(st.sampled_from(PIECES), max_size=10).map("".join))
@settings(max_examples=200, deadline=None)
def test_a_page_comes_out_as_two_substitutions_leave_it(text: str) -> None:
    without, num_urls = URL.subn("", text)
    expected, num_ips = IPV4.subn("", without)
    new, counts = removed(text)
    assert new == expected
    assert (counts.get("urls", 0), counts.get("ip-addresses", 0)) == (num_urls, num_ips)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("See https://a.example.com/x?y=1 for more.", "See for more."),
        ("Go to www.site.de now", "Go to now"),
        ("write me@mail.org", "write"),
        ("ping 8.8.8.8 twice", "ping twice"),
        ("see http://10.0.0.1:80/a b", "see b"),
    ],
)
def test_a_url_goes_with_the_space_before_it(text: str, left: str) -> None:
    assert removed(text)[0] == left


@pytest.mark.parametrize("text", ["e.g. this", "1.2.3 is a version", "The end.Next one", "a .com", "x.notadomain"])
def test_what_is_no_url_stays(text: str) -> None:
    assert removed(text) == (text, {})


def test_the_published_code_looks_for_urls_only_on_pages_that_begin_with_a_domain() -> None:
    assert begins_with_domain("The page")  # .th
    assert not begins_with_domain("Zebra")
    assert removed("Zebra at a.com", dialect="dclm") == ("Zebra at a.com", {})
    assert removed("The zebra at a.com", dialect="dclm") == ("The zebra at", {"urls": 1})
    assert removed("Zebra at 8.8.8.8", dialect="dclm")[1] == {"ip-addresses": 1}


@pytest.mark.parametrize("unit", ["a", "a.", ".com", "a.com ", "-.", "http://", "1.", " "])
def test_long_runs_take_linear_time(unit: str) -> None:
    started = time.process_time()
    removed(unit * (400_000 // len(unit)))
    assert time.process_time() - started < 2.0
