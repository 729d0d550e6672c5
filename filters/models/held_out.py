"""How well scores tell two classes apart, on documents that the classifier was not fitted on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.files import Json

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 10
DIGITS = 6


def area_under_curve(positives: npt.NDArray[np.floating], negatives: npt.NDArray[np.floating]) -> float:
    """Return the chance that a random positive scores above a random negative; a tie counts one half."""
    order = np.sort(negatives)
    below = np.searchsorted(order, positives, side="left")
    through = np.searchsorted(order, positives, side="right")
    return float((below + through).sum() / (2 * len(positives) * len(negatives)))


def held_out_report(positives: npt.NDArray[np.floating], negatives: npt.NDArray[np.floating]) -> dict[str, Json]:
    """Return numbers of documents, AUC, Brier score, quantiles by class and the table of calibration."""
    scores = np.concatenate([positives, negatives]).astype(np.float64)
    truth = np.concatenate([np.ones(len(positives)), np.zeros(len(negatives))])
    return {
        "num_positives": len(positives),
        "num_negatives": len(negatives),
        "auc": round(area_under_curve(positives, negatives), DIGITS),
        "brier": round(float(np.square(scores - truth).mean()), DIGITS),
        "positive_quantiles": quantiles(positives),
        "negative_quantiles": quantiles(negatives),
        "calibration": calibration(scores, truth),
    }


def quantiles(scores: npt.NDArray[np.floating], at: tuple[float, ...] = QUANTILES) -> dict[str, Json]:
    """Return the scores below which these shares lie."""
    found = np.quantile(scores.astype(np.float64), at).tolist()
    return {f"{share:g}": round(value, DIGITS) for share, value in zip(at, found, strict=True)}


def calibration(scores: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]) -> list[Json]:
    """Return mean score and share of positives of each tenth of [0, 1] that holds a document."""
    bins = np.clip((scores * BINS).astype(np.int64), 0, BINS - 1)
    return [
        {
            "from": number / BINS,
            "docs": int((bins == number).sum()),
            "mean_score": round(float(scores[bins == number].mean()), DIGITS),
            "positive_fraction": round(float(truth[bins == number].mean()), DIGITS),
        }
        for number in range(BINS)
        if (bins == number).any()
    ]
