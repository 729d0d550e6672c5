"""The engines by name: who may compute the log-likelihoods of a suite."""

from __future__ import annotations

from curation.errors import RunError, nearest
from train.evals.engine import Engine
from train.evals.lm_eval_engine import LM_EVAL_VERSION, lm_eval_engine
from train.evals.models import Opened
from train.evals.scorer import SCORER_VERSION, scorer_of
from train.evals.suite_scores import SOFTWARE, EngineChoice


def _ours(held: Opened, workers: int) -> Engine:
    return scorer_of(held.subject.reader, held.subject.context_tokens, workers)


ENGINES = {
    "curate": EngineChoice(name="curate", version=SCORER_VERSION, make=_ours),
    "lm-eval": EngineChoice(
        name="lm-eval", version=LM_EVAL_VERSION, make=lm_eval_engine, software=(*SOFTWARE, "lm_eval")
    ),
}


def engine_choice(name: str) -> EngineChoice:
    """Return the engine of that name. Raises: RunError if there is none."""
    if name not in ENGINES:
        raise RunError(f"--engine {name}: no such engine; {nearest(name, ENGINES)}")
    return ENGINES[name]
