"""The S-curve against hand arithmetic and published figures."""

from __future__ import annotations

import pytest

from curation.dedup.params import PRESETS, Banding, MinhashParams, candidate_probability, lsh_threshold


@pytest.mark.parametrize(("jaccard", "expected"), [(0.5, 0.053), (0.7, 0.565), (0.8, 0.924), (0.85, 0.988)])
def test_the_fineweb_curve_gives_the_known_recall(jaccard: float, expected: float) -> None:
    assert candidate_probability(jaccard, PRESETS["fineweb"]) == pytest.approx(expected, abs=5e-4)


def test_one_band_of_one_row_gives_the_similarity_itself() -> None:
    assert candidate_probability(0.3, Banding(bands=1, rows=1, ngram=5)) == pytest.approx(0.3)


@pytest.mark.parametrize(("preset", "expected"), [("fineweb", 0.72), ("dclm", 0.74), ("marin", 0.74), ("nemo", 0.79)])
def test_thresholds_of_the_presets_are_the_published_ones(preset: str, expected: float) -> None:
    assert lsh_threshold(PRESETS[preset]) == pytest.approx(expected, abs=0.006)


def test_overrides_replace_single_numbers_of_the_preset() -> None:
    assert MinhashParams(rows=4).banding == Banding(bands=14, rows=4, ngram=5)
