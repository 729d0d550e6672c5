"""The laws by name; a plugin adds one through the entry-point group `curate.laws`."""

from __future__ import annotations

from curation.registry import Registry
from leaderboard.laws.law import Law

LAWS: Registry[Law] = Registry(
    name="law",
    builtin={
        "by-group": "leaderboard.laws.by_group:BY_GROUP",
        "chinchilla": "leaderboard.laws.chinchilla:CHINCHILLA",
        "critical-batch": "leaderboard.laws.critical_batch:CRITICAL_BATCH",
        "data-constrained": "leaderboard.laws.data_constrained:DATA_CONSTRAINED",
        "direct-accuracy": "leaderboard.laws.direct_accuracy:DIRECT_ACCURACY",
        "error-from-loss": "leaderboard.laws.error_from_loss:ERROR_FROM_LOSS",
        "loss-curve": "leaderboard.laws.loss_curve:LOSS_CURVE",
        "lr-batch": "leaderboard.laws.lr_batch:LR_BATCH",
        "noise-scale": "leaderboard.laws.noise_scale:NOISE_SCALE",
        "overtraining": "leaderboard.laws.overtraining:OVERTRAINING",
        "kaplan": "leaderboard.laws.kaplan:KAPLAN",
        "envelope": "leaderboard.laws.envelope:ENVELOPE",
        "isoflop": "leaderboard.laws.isoflop:ISOFLOP",
        "two-stage": "leaderboard.laws.two_stage:TWO_STAGE",
    },
)
