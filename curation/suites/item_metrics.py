"""What one item's log-likelihoods amount to: accuracies under four normalisations, and the continuous metrics.

With ll the log-likelihood of a choice in nats, u its unconditional one, g the right choice:
  acc_raw             argmax ll is g                      correct_prob            exp ll_g
  acc_per_char        argmax ll / characters is g         correct_prob_per_token  exp(ll_g / tokens_g)
  acc_per_byte        argmax ll / bytes is g              correct_prob_per_char   exp(ll_g / characters_g)
  acc_per_token       argmax ll / tokens is g             norm_correct_prob       exp ll_g / sum exp ll
  acc_uncond          argmax (ll - u) is g                margin                  exp ll_g - max of the wrong exp ll
  total_prob          sum exp ll                          sum_logits_corr         ll_g
  bits_per_byte_corr  -ll_g / (ln 2 bytes_g), lower is better; published tables call it `logits_per_byte_corr`
Of equal choices the first is taken. `acc_per_token` is what llm-foundry and DCLM report: the lowest perplexity a token.
An item with a single continuation (`lm`, `gold`) is right when every token of it is the most likely one: `acc_raw`;
metrics that compare choices are None. Characters and bytes leave out the one leading space (`Prompted`).
Source: DataDecide (2504.11393), OLMES (2406.08446); llm-foundry 0.9, InContextLearningMultipleChoiceAccuracy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from curation.suites.tasks import Metric

METRICS: tuple[str, ...] = get_args(Metric)
ACCURACIES: tuple[str, ...] = tuple(name for name in METRICS if name.startswith("acc_"))
METRIC_VERSIONS = {"items": "item-metrics@1", "tasks": "task-means@1", "aggregates": "task-aggregates@1"}
"""Enter every result; a change of a definition raises its number."""

HIGHER_IS_BETTER = {name: name != "bits_per_byte_corr" for name in METRICS}
"""`total_prob` is better higher only where choices exhaust what may be said; it is shown, never judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceScores:
    """What a scorer found for one item; one entry a choice."""

    gold: int
    log_likelihoods: Sequence[float]
    greedy: Sequence[bool]
    num_tokens: Sequence[int] | None
    """None where a scorer does not say them: metrics per token are then None."""
    num_chars: Sequence[int]
    num_bytes: Sequence[int]
    uncond: Sequence[float] | None = None


def item_metrics(scores: ChoiceScores) -> dict[str, float | None]:
    """Return every metric of one item by name, None where it has no meaning.

    Raises: ValueError for lists of different lengths, an empty choice or a number that is not finite.
    """
    _check(scores)
    lls, gold = scores.log_likelihoods, scores.gold
    right = lls[gold]
    found: dict[str, float | None] = dict.fromkeys(METRICS)
    found["correct_prob"] = math.exp(right)
    if scores.num_tokens is not None:
        found["correct_prob_per_token"] = math.exp(right / scores.num_tokens[gold])
    found["correct_prob_per_char"] = math.exp(right / scores.num_chars[gold])
    found["sum_logits_corr"] = right
    found["bits_per_byte_corr"] = -right / (math.log(2) * scores.num_bytes[gold])
    if len(lls) == 1:
        found["acc_raw"] = float(scores.greedy[0])
        return found
    found["acc_raw"] = _first_best(lls, gold)
    found["acc_per_char"] = _first_best(_ratios(lls, scores.num_chars), gold)
    found["acc_per_byte"] = _first_best(_ratios(lls, scores.num_bytes), gold)
    if scores.num_tokens is not None:
        found["acc_per_token"] = _first_best(_ratios(lls, scores.num_tokens), gold)
    if scores.uncond is not None:
        found["acc_uncond"] = _first_best([ll - u for ll, u in zip(lls, scores.uncond, strict=True)], gold)
    highest = max(lls)  # long choices underflow: the share is taken before the exponential
    found["norm_correct_prob"] = math.exp(right - highest) / math.fsum(math.exp(ll - highest) for ll in lls)
    found["margin"] = math.exp(right) - max(math.exp(ll) for place, ll in enumerate(lls) if place != gold)
    found["total_prob"] = math.fsum(math.exp(ll) for ll in lls)
    return found


def _ratios(values: Sequence[float], lengths: Sequence[int]) -> list[float]:
    return [value / length for value, length in zip(values, lengths, strict=True)]


def _first_best(values: Sequence[float], gold: int) -> float:
    return float(max(range(len(values)), key=lambda place: (values[place], -place)) == gold)


def _check(scores: ChoiceScores) -> None:
    count = len(scores.log_likelihoods)
    lists = (scores.greedy, scores.num_tokens, scores.num_chars, scores.num_bytes, scores.uncond)
    if any(one is not None and len(one) != count for one in lists) or not 0 <= scores.gold < count:
        raise ValueError(f"gold {scores.gold} and lists of other lengths than the {count} log-likelihoods")
    if min(*(scores.num_tokens or ()), *scores.num_chars, *scores.num_bytes) < 1:
        raise ValueError("a choice without tokens, characters or bytes")
    if not all(math.isfinite(value) for value in (*scores.log_likelihoods, *(scores.uncond or ()))):
        raise ValueError("a log-likelihood that is not finite")
