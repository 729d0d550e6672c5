"""The subcommands of `curate fit` that fit a law: its name and one line of help."""

from __future__ import annotations

from collections.abc import Mapping

LAW_HELP: Mapping[str, str] = {
    "kaplan": "Loss in N, D, C, or N and D (Kaplan).",
    "envelope": "Compute-optimal size from loss curves (approach 1).",
    "chinchilla": "Loss in parameters and tokens (Chinchilla, approach 3).",
    "isoflop": "Compute-optimal size and tokens (approach 2).",
    "overtraining": "Loss in compute and tokens per parameter (Gadre).",
    "error-from-loss": "Downstream error in loss, alone or chained (Gadre).",
    "data-constrained": "Loss with repeated data (Muennighoff).",
    "direct-accuracy": "Accuracy in compute, sizes or samples (Apple).",
    "two-stage": "Accuracy through task loss, beside the direct law.",
    "loss-curve": "Loss under any learning-rate schedule.",
    "critical-batch": "Critical batch size in N or D (Zhang).",
    "noise-scale": "Gradient noise scale from paired norms.",
    "lr-batch": "Optimal learning rate and batch size.",
    "by-group": "Do exponents differ between groups of data?",
}


def law_targets() -> tuple[tuple[str, str, str], ...]:
    """Return words, help and place of the function of every law's subcommand."""
    return tuple(
        (f"fit {name}", text, f"leaderboard.laws.command:fit_{name.replace('-', '_')}")
        for name, text in LAW_HELP.items()
    )
