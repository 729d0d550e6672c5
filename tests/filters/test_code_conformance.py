"""Hand-written files that pin every rule for source code on both sides of its bound; all arithmetic is in the table."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curation.batches import text_array
from curation.sidecars import ROLE_TRAIN
from filters.rule_sets import code
from filters.rules import RuleSet, compute_columns, find_rule_set, judge_rows

STACK, STARCODER, V2, DOLMA = code.THE_STACK, code.STARCODER, code.THE_STACK_V2, code.DOLMA


def reasons(rules: RuleSet, text: str, **meta: str) -> set[str]:
    table = pa.table({"text": text_array([text]), "meta": pa.array([json.dumps(meta)], pa.large_string())})
    columns = compute_columns(rules.rules, table)
    failed = int(judge_rows(rules.rules, columns, np.ones(1, np.bool_)).failed[0])
    return {rule.reason for i, rule in enumerate(rules.rules) if failed >> i & 1}


def word_line(chars: int) -> str:
    """Return a line of words of three letters, `chars` code points long."""
    return ("abc " * (chars // 4 + 1))[:chars]


def share(letters: int, chars: int) -> str:
    """Return one line of `chars` code points with `letters` letters, none of it encoded data."""
    return "a-" * letters + "-" * (chars - 2 * letters)


def page(visible: int, chars: int) -> str:
    """Return HTML of `chars` code points, `visible` of them text, in lines of at most 100."""
    texts = [(word_line(20)[:19] + "\n") for _ in range(visible // 20)] + ["b" * (visible % 20)]
    markup, more = divmod(chars - visible, len(texts))
    return "".join(f"<{('iiiiiii-' * chars)[: markup + (i < more) - 2]}>{text}" for i, text in enumerate(texts))


HTML = {"ext": "html"}
LONG = word_line(1000)
CASES: list[tuple[str, RuleSet, str, dict[str, str], set[str]]] = [
    ("line of 1,000", STACK, LONG + "\na" * 20, {}, set()),
    ("line of 1,001", STACK, LONG + "x" + "\na" * 20, {}, {"line-too-long"}),
    ("a return ends a line", STACK, LONG + "\rx" + "\na" * 20, {}, set()),
    ("mean line of 100", STACK, word_line(150) + "\n" + word_line(50), {}, set()),
    ("mean line of 100.5", STACK, word_line(150) + "\n" + word_line(51), {}, {"lines-too-long"}),
    ("a last newline makes no line", STACK, word_line(101) + "\n", {}, {"lines-too-long"}),
    ("alphanumeric 5 of 20", STACK, "abc12" + "-" * 15, {}, set()),
    ("alphanumeric 5 of 21", STACK, "abc12" + "-" * 16, {}, {"too-few-alphanumeric-chars"}),
    ("letters of any script", STACK, "aé中א1" + "-" * 15, {}, set()),
    ("empty", STACK, "", {}, {"too-few-alphanumeric-chars"}),
    ("no language is apart", STACK, LONG + "x" + "\na" * 20, {"ext": "md"}, {"line-too-long"}),
    ("starcoder: line of 1,000", STARCODER, LONG + "\na" * 20, {}, set()),
    ("starcoder: line of 1,001", STARCODER, LONG + "x" + "\na" * 20, {"ext": "py"}, {"line-too-long"}),
    ("starcoder: long line in Markdown", STARCODER, LONG + "x", {"ext": "md"}, set()),
    ("starcoder: mean line of 101", STARCODER, word_line(101), {}, {"lines-too-long"}),
    ("starcoder: mean line of 101 in SQL", STARCODER, word_line(101), {"path": "a/b.sql"}, set()),
    ("starcoder: alphanumeric 1 of 5", STARCODER, "a----", {}, {"too-few-alphanumeric-chars"}),
    ("starcoder: digits will do", STARCODER, "1---", {}, set()),
    ("starcoder: digits do not in VHDL", STARCODER, "1---", {"ext": "vhd"}, {"too-few-alphabetic-chars"}),
    ("starcoder: letters 1 of 4 in VHDL", STARCODER, "a---", {"ext": "vhd"}, set()),
    ("starcoder: XML", STARCODER, '<?xml version="1.0"?>', {}, {"xml-file"}),
    ("starcoder: XML after 86", STARCODER, "a " * 43 + "<?xml version=", {}, {"xml-file"}),
    ("starcoder: XML after 87", STARCODER, "a " * 43 + "\n<?xml version=", {}, set()),
    ("starcoder: XSLT is XML", STARCODER, '<?xml version="1.0"?>', {"ext": "xslt"}, set()),
    ("starcoder: extension left out", STARCODER, "abc", {"ext": "bison"}, {"excluded-extension"}),
    ("starcoder: 101 of 504 visible", STARCODER, page(101, 504), HTML, set()),
    ("starcoder: 101 of 505 visible", STARCODER, page(101, 505), HTML, {"too-little-visible-text"}),
    ("starcoder: 100 of 200 visible", STARCODER, page(100, 200), HTML, {"too-few-visible-chars"}),
    ("starcoder: markup in another language", STARCODER, page(50, 250), {"ext": "py"}, set()),
    ("starcoder: JSON of 50", STARCODER, word_line(50), {"ext": "json"}, set()),
    ("starcoder: JSON of 49", STARCODER, word_line(49), {"ext": "json"}, {"data-file-too-small"}),
    ("starcoder: YAML of 5,000", STARCODER, (word_line(49) + "\n") * 100, {"ext": "yml"}, set()),
    (
        "starcoder: YAML of 5,001",
        STARCODER,
        (word_line(49) + "\n") * 100 + "a",
        {"ext": "yml"},
        {"data-file-too-large"},
    ),
    ("starcoder: half letters in JSON", STARCODER, "a1" * 30, {"ext": "json"}, set()),
    ("starcoder: 30 of 61 letters in JSON", STARCODER, "a1" * 30 + "1", {"ext": "json"}, {"too-few-letters-in-data"}),
    ("v2: 100,000 lines", V2, "a;\n" * 100_000, {}, set()),
    ("v2: 100,001 lines", V2, "a;\n" * 100_001, {}, {"too-many-lines"}),
    ("v2: line of 1,000", V2, LONG + "\na b" * 20, {}, set()),
    ("v2: line of 1,001", V2, LONG + "x" + "\na b" * 20, {}, {"line-too-long"}),
    ("v2: line of 100,000 in TeX", V2, word_line(100_000), {"ext": "tex"}, set()),
    ("v2: line of 100,001 in TeX", V2, word_line(100_001), {"ext": "tex"}, {"line-far-too-long"}),
    ("v2: mean line of 101", V2, word_line(101), {}, {"lines-too-long"}),
    ("v2: generated, line 5", V2, "a\n" * 4 + "// Auto-Generated by x\n", {}, {"generated-file"}),
    ("v2: generated, line 6", V2, "a\n" * 5 + "// Auto-Generated by x\n", {}, set()),
    *(
        (f"v2: {mark}", V2, f"# {mark.upper()} from a schema", {}, {"generated-file"})
        for mark in ("autogenerated", "automatically generated", "generated automatically", "this file is generated")
    ),
    ("v2: generated by is no mark", V2, "# Code generated by a tool. DO NOT EDIT.", {}, set()),
    ("v2: letters 10 of 40", V2, share(10, 40), {}, set()),
    ("v2: letters 10 of 41", V2, share(10, 41), {}, {"too-few-alphabetic-chars"}),
    ("v2: digits are no letters", V2, "1-2-" * 10, {}, {"too-few-alphabetic-chars"}),
    ("v2: digits will do in WebAssembly", V2, "1-2-" * 10, {"ext": "wat"}, set()),
    ("v2: base64 of 1,024", V2, "a-\n" * 2000 + "'" + ("Q" * 63 + "\n") * 16 + "'", {}, set()),
    ("v2: base64 of 1,025", V2, "a-\n" * 2000 + "'" + ("Q" * 63 + "\n") * 16 + "Q'", {}, {"encoded-run-too-long"}),
    ("v2: 64 of 128 encoded", V2, "QUJD" * 16 + "-\n-" + "-b" * 30 + "-", {}, set()),
    ("v2: 64 of 127 encoded", V2, "QUJD" * 16 + "-\n-" + "-b" * 30, {}, {"too-much-encoded-data"}),
    ("v2: 63 of base64 are none", V2, "QUJD" * 15 + "QUJ", {}, set()),
    ("v2: eight bytes", V2, "x: " + "0xab," * 8, {}, {"too-much-encoded-data"}),
    ("v2: seven bytes", V2, "x: " + "0xab," * 7, {}, set()),
    ("v2: eight escapes", V2, "x: " + "\\uabcd" * 8, {}, {"too-much-encoded-data"}),
    ("v2: seven escapes", V2, "x: " + "\\uabcd" * 7, {}, set()),
    ("v2: 101 of 505 visible", V2, page(101, 505), HTML, set()),
    ("v2: 101 of 506 visible", V2, page(101, 506), HTML, {"too-little-visible-text"}),
    ("v2: 100 of 200 visible", V2, page(100, 200), HTML, set()),
    ("v2: 99 of 200 visible", V2, page(99, 200), HTML, {"too-few-visible-chars"}),
    ("v2: JSON of 512 lines", V2, "a b\n" * 512, {"language": "JSON"}, set()),
    ("v2: JSON of 513 lines", V2, "a b\n" * 513, {"language": "JSON"}, {"too-many-data-lines"}),
    ("v2: Python of 513 lines", V2, "a b\n" * 513, {"language": "Python"}, set()),
    ("dolma: letters 3 over 2 tokens", DOLMA, "abc", {}, set()),
    ("dolma: letters 2 over 2 tokens", DOLMA, "ab", {}, {"too-few-letters-per-token"}),
    ("dolma: letters 6 over 4 tokens", DOLMA, "abcd + ef", {}, set()),
    ("dolma: letters 5 over 4 tokens", DOLMA, "abc + ef", {}, {"too-few-letters-per-token"}),
    ("dolma: line of 1,001", DOLMA, LONG + "x" + "\nabc" * 20, {}, {"line-too-long"}),
    ("dolma: mean line of 101", DOLMA, word_line(101), {}, {"lines-too-long"}),
    ("dolma: alphanumeric 3 of 12", DOLMA, "abc" + "-" * 9, {}, {"too-few-letters-per-token"}),
    ("dolma: 101 of 504 visible", DOLMA, page(101, 504), HTML, set()),
    ("dolma: 101 of 505 visible", DOLMA, page(101, 505), HTML, {"too-little-visible-text"}),
    ("dolma: 100 of 200 visible", DOLMA, page(100, 200), HTML, {"too-few-visible-chars"}),
    (
        "dolma: alphanumeric 3 of 13",
        DOLMA,
        "abc" + "-" * 10,
        {},
        {"too-few-alphanumeric-chars", "too-few-letters-per-token"},
    ),
    ("dolma: XML in XSLT", DOLMA, '<?xml version="1.0" encoding="utf"?>', {"ext": "xslt"}, {"xml-file"}),
]


def test_there_are_at_least_forty_files_and_every_rule_drops_one() -> None:
    assert len(CASES) >= 40
    for rules in (STACK, STARCODER, V2, DOLMA):
        failed = set().union(*(failing for _, chosen, _, _, failing in CASES if chosen is rules))
        assert failed == {rule.reason for rule in rules.rules}


@pytest.mark.parametrize(
    ("rules", "text", "meta", "failing"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_file_fails_exactly_the_rules_it_was_written_for(
    rules: RuleSet, text: str, meta: dict[str, str], failing: set[str]
) -> None:
    assert reasons(rules, text, **meta) == failing


@pytest.mark.parametrize("name", ["code/the-stack@1", "code/starcoder@1", "code/the-stack-v2@1", "code/dolma@1"])
def test_the_rule_sets_judge_code_and_keep_a_plain_function(name: str) -> None:
    rules = find_rule_set(name, "here")
    assert rules.applies_to == ("code",)
    assert reasons(rules, "def add(first: int, second: int) -> int:\n    return first + second\n") == set()


@pytest.mark.parametrize("name", ["code/starcoder", "code/the-stack-v2", "code/dolma"])
def test_awkward_text_gets_a_verdict(name: str, awkward_text: str) -> None:
    rules = find_rule_set(name, "here")
    assert reasons(rules, awkward_text) <= {rule.reason for rule in rules.rules}
    assert reasons(rules, awkward_text, ext="html") <= {rule.reason for rule in rules.rules}


def test_only_slices_of_code_are_judged_and_metadata_reaches_the_rules(make_world: Callable[..., Any]) -> None:
    rows = [
        {"id": "prose", "text": "---", "slice": "prose"},
        {"id": "marks", "text": "---", "slice": "code"},
        {"id": "json", "text": "a b", "slice": "code", "meta": '{"path":"a/b.json"}'},
        {"id": "function", "text": "def f(): return 1", "slice": "code", "meta": '{"path":"a/b.py"}'},
    ]
    found = make_world([{"role": ROLE_TRAIN, **row} for row in rows]).judge("code/starcoder@1")
    assert found == {
        "prose": None, "marks": "too-few-alphanumeric-chars", "json": "data-file-too-small", "function": None,
    }  # fmt: skip
