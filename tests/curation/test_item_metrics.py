"""The metrics of one item against hand arithmetic."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from curation.suites.item_metrics import ACCURACIES, METRICS, ChoiceScores, item_metrics

LN2 = math.log(2)


def scores(
    lls: list[float],
    gold: int = 0,
    *,
    tokens: list[int] | None = None,
    chars: list[int] | None = None,
    num_bytes: list[int] | None = None,
    uncond: list[float] | None = None,
    greedy: list[bool] | None = None,
) -> ChoiceScores:
    ones = [1] * len(lls)
    return ChoiceScores(
        gold=gold, log_likelihoods=lls, greedy=greedy or [False] * len(lls), num_tokens=tokens or ones,
        num_chars=chars or ones, num_bytes=num_bytes or chars or ones, uncond=uncond,
    )  # fmt: skip


def test_probabilities_of_a_half_a_quarter_and_an_eighth() -> None:
    found = item_metrics(scores([-LN2, -2 * LN2, -3 * LN2], gold=0))
    assert found["acc_raw"] == 1.0
    assert found["correct_prob"] == pytest.approx(0.5)
    assert found["total_prob"] == pytest.approx(0.875)
    assert found["norm_correct_prob"] == pytest.approx(4 / 7)
    assert found["margin"] == pytest.approx(0.25)
    assert found["sum_logits_corr"] == -LN2


def test_the_margin_of_a_wrong_answer_is_negative() -> None:
    found = item_metrics(scores([-LN2, -2 * LN2, -3 * LN2], gold=2))
    assert found["acc_raw"] == 0.0
    assert found["margin"] == pytest.approx(1 / 8 - 1 / 2)


@pytest.mark.parametrize(
    ("metric", "lengths"),
    [("acc_per_token", "tokens"), ("acc_per_char", "chars"), ("acc_per_byte", "num_bytes")],
)
def test_a_length_turns_the_choice(metric: str, lengths: str) -> None:
    """-6 over 6 is -1, -4 over 2 is -2: the longer choice wins by that length and loses without."""
    found = item_metrics(scores([-6.0, -4.0], gold=0, **{lengths: [6, 2]}))  # type: ignore[arg-type]
    assert found[metric] == 1.0
    assert found["acc_raw"] == 0.0


def test_bits_per_byte_are_nats_over_bytes_over_ln_2() -> None:
    found = item_metrics(scores([-6 * LN2, -1.0], gold=0, tokens=[2, 1], chars=[3, 1], num_bytes=[4, 1]))
    assert found["bits_per_byte_corr"] == pytest.approx(1.5)
    assert found["correct_prob_per_token"] == pytest.approx(2**-3)
    assert found["correct_prob_per_char"] == pytest.approx(2**-2)


def test_the_unconditional_likelihood_is_taken_off() -> None:
    """-5 + 4 = -1 beats -3 + 1 = -2, though -3 is the likelier choice."""
    found = item_metrics(scores([-5.0, -3.0], gold=0, uncond=[-4.0, -1.0]))
    assert (found["acc_uncond"], found["acc_raw"]) == (1.0, 0.0)
    assert item_metrics(scores([-5.0, -3.0]))["acc_uncond"] is None


def test_without_known_tokens_only_the_metrics_per_token_are_left_out() -> None:
    whole = item_metrics(scores([-6.0, -4.0], gold=0, uncond=[-1.0, -1.0]))
    found = item_metrics(replace(scores([-6.0, -4.0], gold=0, uncond=[-1.0, -1.0]), num_tokens=None))
    assert found == {**whole, "acc_per_token": None, "correct_prob_per_token": None}


def test_of_equal_choices_the_first_is_taken() -> None:
    assert item_metrics(scores([-1.0, -1.0], gold=0))["acc_raw"] == 1.0
    assert item_metrics(scores([-1.0, -1.0], gold=1))["acc_raw"] == 0.0


def test_choices_too_unlikely_for_a_float_still_have_a_share() -> None:
    found = item_metrics(scores([-2000.0, -2000.0 - LN2]))
    assert found["correct_prob"] == 0.0
    assert found["norm_correct_prob"] == pytest.approx(2 / 3)


def test_a_single_continuation_is_right_when_it_is_greedy_and_has_no_rivals() -> None:
    found = item_metrics(scores([-3.0], greedy=[True]))
    assert found["acc_raw"] == 1.0
    assert [found[name] for name in (*ACCURACIES[1:], "norm_correct_prob", "margin", "total_prob")] == [None] * 7
    assert set(found) == set(METRICS)


@pytest.mark.parametrize("lls", [[float("nan"), -1.0], [float("-inf"), -1.0]])
def test_a_log_likelihood_that_is_not_finite_is_refused(lls: list[float]) -> None:
    with pytest.raises(ValueError, match="not finite"):
        item_metrics(scores(lls))


def test_an_empty_choice_is_refused() -> None:
    with pytest.raises(ValueError, match="without tokens"):
        item_metrics(scores([-1.0, -2.0], chars=[0, 1]))
