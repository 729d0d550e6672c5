"""Families: the rule of precedence, hosts, pages across versions."""

from __future__ import annotations

import pytest

from curation.families import family_of, family_of_origin, registered_host
from curation.files import canonical_json


def test_metas_family_comes_before_url_before_origin_before_id() -> None:
    origin = "o/r@abc:docs/a.md"
    full = canonical_json({"family": "book-7", "origin": origin})
    bare = canonical_json({"origin": origin})
    assert family_of("id", "https://a.example.org/x", full, "prose") == "book-7"
    assert family_of("id", "https://a.example.org/x", bare, "prose") == "example.org"
    assert family_of("id", None, bare, "prose") == "o/r:docs/a.md"
    assert family_of("id", None, None, "prose") == "id"


def test_an_unreadable_url_or_origin_leaves_the_id() -> None:
    assert family_of("id", "http://[broken", canonical_json({"origin": "nowhere", "family": None}), "prose") == "id"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://docs.example.org:8080/a?b#c", "example.org"),
        ("http://EXAMPLE.org.", "example.org"),
        ("https://www.shop.example.co.uk/", "example.co.uk"),
        ("https://a.b.ac.jp/x", "b.ac.jp"),
        ("https://who.github.io/page", "who.github.io"),
        ("https://x.y.com.br", "y.com.br"),
        ("http://192.168.0.1/x", "192.168.0.1"),
        ("http://[::1]/x", "::1"),
        ("http://localhost/x", "localhost"),
        ("example.com/page", "example.com"),
        ("mailto:", None),
        ("", None),
    ],
)
def test_the_registered_host_is_what_somebody_registered(url: str, host: str | None) -> None:
    assert registered_host(url) == host


@pytest.mark.parametrize("folder", ["1.13", "v2.0", "7.3", "v3", "1.2.3rc1", "5.x"])
def test_a_page_is_one_family_across_versions(folder: str) -> None:
    family = family_of_origin(f"n/doc@be1a:ref/{folder}/a.html", "prose")
    assert family == ("n/doc:ref/a.html" if folder != "5.x" else "n/doc:ref/5.x/a.html")


def test_code_goes_by_repository_and_prose_by_file() -> None:
    origins = ["o/r@1:src/a.py", "o/r@1:src/b.py"]
    assert {family_of_origin(origin, "code") for origin in origins} == {"o/r"}
    assert len({family_of_origin(origin, "prose") for origin in origins}) == 2


def test_a_copy_belongs_to_the_family_of_its_original() -> None:
    original = family_of_origin("g/site@49:content/301.md", "prose")
    assert family_of_origin("g/site@49:g/site@49:content/301.md", "prose") == original


def test_a_file_name_that_looks_like_a_version_stays() -> None:
    assert family_of_origin("o/r@1:notes/1.2.3", "prose") == "o/r:notes/1.2.3"
