"""Expressions over columns: what they mean, and that nothing else can be said with them."""

from __future__ import annotations

import numpy as np
import pytest

from curation.errors import LawError
from curation.expressions import compute, select

COLUMNS = {
    "N": np.array([1e8, 2e8, np.nan, 4e8]),
    "source": np.array(["c4", "rpj", None, "c4"], object),
    "odd": np.array([True, False, True, False]),
    "text_flag": np.array(["True", "False", "True", "False"], object),
    "train tokens": np.array([1.0, 2.0, 3.0, 4.0]),
    "digits": np.array(["1", "20", None, "3"], object),
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("N > 1e8", [0, 1, 0, 1]),
        ("1e8 <= N < 3e8", [1, 1, 0, 0]),
        ("N != 1e8", [0, 1, 0, 1]),
        ("source == 'c4' and N > 2e8", [0, 0, 0, 1]),
        ("source = 'c4' OR source = \"rpj\"", [1, 1, 0, 1]),
        ("source in ['rpj', 'pile']", [0, 1, 0, 0]),
        ("source not in ('rpj',)", [1, 0, 1, 1]),
        ("source <> 'c4'", [0, 1, 0, 0]),
        ("not odd", [0, 1, 0, 1]),
        ("odd", [1, 0, 1, 0]),
        ("odd == 'False'", [0, 1, 0, 1]),
        ("text_flag == False", [0, 1, 0, 1]),
        ("not text_flag", [0, 1, 0, 1]),
        ("(N > 1e8) & ~odd", [0, 1, 0, 1]),
        ("`train tokens` * 2 >= 6", [0, 0, 1, 1]),
        ("log10(N) < 8.2", [1, 0, 0, 0]),
        ("isnull(N) or isnull(source)", [0, 0, 1, 0]),
        ("contains(source, '4')", [1, 0, 0, 1]),
        ("startswith(source, 'r')", [0, 1, 0, 0]),
        ("digits > 2", [0, 1, 0, 1]),
    ],
)
def test_an_expression_chooses_the_rows_it_says(expression: str, expected: list[int]) -> None:
    assert select(expression, COLUMNS, "t.csv").astype(int).tolist() == expected


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "N.__class__",
        "(lambda: 1)()",
        "[x for x in N]",
        "open('/etc/passwd')",
        "N if odd else N",
        "f'{N}' == 'a'",
        "N[0] > 1",
        "(N := 3)",
        "9**9**9**9 > 1 or exec('1')",
    ],
)
def test_nothing_but_columns_and_comparisons_is_understood(expression: str) -> None:
    with pytest.raises(LawError):
        select(expression, COLUMNS, "t.csv")


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("sorce == 'c4'", "did you mean `source`"),
        ("N >", "is no expression"),
        ("N + 1", "gives no true or false"),
        ("source + 1 > 2", "cannot be computed"),
        ("x" * 3000, "expected at most 2000"),
        ("N is None", "use isnull"),
        ("'N' > 1e8", "'N' in quotes is text, the column is N"),
        ("'train tokens' > 2", "the column is `train tokens`"),
        ("1 < 2", "compares two constants"),
        ("N > 'many'", "compares the text 'many' with numbers"),
        ("N in ['a', 'b']", "compares the text 'a' with numbers"),
        ("train tokens * 2 > 1", "write the column train tokens in back-quotes: `train tokens`"),
    ],
)
def test_what_is_wrong_is_named(expression: str, message: str) -> None:
    with pytest.raises(LawError, match=message):
        select(expression, COLUMNS, "t.csv")


def test_values_are_computed_in_float64() -> None:
    found = compute("6 * N * `train tokens` * 1e12", {**COLUMNS, "N": np.array([10**9] * 4)}, "t.csv")
    assert found.tolist() == [6e21, 1.2e22, 1.8e22, 2.4e22]


def test_a_column_whose_name_holds_brackets_needs_back_quotes() -> None:
    """`tokens (billions)` reads as a call of the function tokens."""
    columns = {"tokens (billions)": np.array([1.0, 2.0])}
    with pytest.raises(LawError, match="in back-quotes: `tokens .billions.`"):
        compute("tokens (billions)*1e9", columns, "t.csv")
    assert compute("`tokens (billions)`*1e9", columns, "t.csv").tolist() == [1e9, 2e9]


def test_text_that_reads_as_a_number_is_compared_as_one() -> None:
    assert select("N == '1e8'", COLUMNS, "t.csv").tolist() == [True, False, False, False]
