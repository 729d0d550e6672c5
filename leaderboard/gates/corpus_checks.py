"""Conditions on corpora and machinery: what must hold before any gain is looked at (gate G0)."""

from __future__ import annotations

from dataclasses import dataclass

from leaderboard.gates.case import Case, Check, Limits, Need, Outcome, decided, insufficient
from leaderboard.gates.evidence import Cited
from leaderboard.studies.decision_facts import Plumbing
from leaderboard.studies.facts import RunFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundtripLimits(Limits):
    """Of the tokenizer's round trip."""

    min_exact_fraction: float
    min_docs: int
    """Documents tried, or all of a smaller corpus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrityLimits(Limits):
    """Of what no corpus may hold."""

    max_empty_docs: int
    max_invalid_utf8_docs: int
    max_nul_docs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateLimits(Limits):
    """Of repeated documents."""

    max_exact_fraction: float
    max_near_fraction: float
    max_over_baseline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareLimits(Limits):
    """Of sources against the manifest."""

    max_deviation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingLimits(Limits):
    """Of a training that went as trainings go."""

    max_spike_score: float
    max_final_over_initial_loss: float
    max_grad_norm_p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportLimits(Limits):
    """Of an exported model against ours."""

    max_abs_logit: float
    max_nll: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoLimits(Limits):
    """A condition that knows only yes and no."""


def _roundtrip(case: Case, limits: RoundtripLimits) -> Outcome:
    found = case.evidence.integrity
    threshold = f"≥ {limits.min_exact_fraction:.0%} of ≥ {limits.min_docs:,} documents"
    if found is None:
        return insufficient("the corpus was not checked", "measure", threshold=threshold)
    fact, cited = found.fact, (found.id,)
    asked = min(limits.min_docs, fact.num_docs)
    if fact.roundtrip_docs < asked or not fact.roundtrip_docs:
        text = f"{fact.roundtrip_docs:,} documents tried, {asked:,} asked for"
        return insufficient(text, "measure", evidence=cited, threshold=threshold)
    exact = fact.roundtrip_exact / fact.roundtrip_docs
    text = f"{fact.roundtrip_exact:,} of {fact.roundtrip_docs:,} documents come back to the byte"
    tried = case.tier.plumbing if case.tier else None
    if tried is not None and tried.fact.tokens_decode is False:
        text = f"{text}, but ids of the token streams do not come back"
        return decided(False, text, exact, threshold, (*cited, tried.id))
    return decided(exact >= limits.min_exact_fraction, text, exact, threshold, cited)


def _integrity(case: Case, limits: IntegrityLimits) -> Outcome:
    found = case.evidence.integrity
    threshold = (
        f"files as in the manifest; empty ≤ {limits.max_empty_docs}, invalid UTF-8 ≤ {limits.max_invalid_utf8_docs}, "
        f"NUL ≤ {limits.max_nul_docs}"
    )
    if found is None:
        return insufficient("the corpus was not checked", "measure", threshold=threshold)
    fact = found.fact
    counts = {
        "empty": (fact.empty_docs, limits.max_empty_docs),
        "invalid UTF-8": (fact.invalid_utf8_docs, limits.max_invalid_utf8_docs),
        "NUL": (fact.nul_docs, limits.max_nul_docs),
    }
    wrong = [f"{count:,} documents {name}" for name, (count, most) in counts.items() if count > most]
    wrong += [] if fact.sha256_match else ["files differ from the manifest"]
    text = "; ".join(wrong) or f"{fact.num_docs:,} documents, none empty or broken; files are the manifest's"
    return decided(not wrong, text, sum(count for count, _ in counts.values()), threshold, (found.id,))


def _duplicates(case: Case, limits: DuplicateLimits) -> Outcome:
    found, base = case.evidence.integrity, case.evidence.baseline_integrity
    threshold = (
        f"exact ≤ {limits.max_exact_fraction:.0%} and ≤ {limits.max_over_baseline:g}x the baseline's, "
        f"near ≤ {limits.max_near_fraction:.0%}"
    )
    if found is None or base is None or found.fact.near_duplicate_fraction is None:
        cited = (found.id,) if found else ()
        return insufficient(
            "duplicates were not counted in both corpora", "measure", evidence=cited, threshold=threshold
        )
    exact, near = found.fact.exact_duplicate_fraction, found.fact.near_duplicate_fraction
    other = base.fact.exact_duplicate_fraction
    held = exact <= limits.max_exact_fraction and near <= limits.max_near_fraction
    held = held and (exact <= limits.max_over_baseline * other or exact == 0)
    text = f"{exact:.2%} exact (baseline {other:.2%}), {near:.2%} near duplicates"
    return decided(held, text, exact, threshold, (found.id, base.id))


def _shares(case: Case, limits: ShareLimits) -> Outcome:
    found = case.evidence.integrity
    threshold = f"≤ {limits.max_deviation:.1%}"
    if found is None:
        return insufficient("the corpus was not checked", "measure", threshold=threshold)
    value = found.fact.max_share_deviation
    text = f"a source's share is {value:.3%} from the manifest's at most"
    return decided(value <= limits.max_deviation, text, value, threshold, (found.id,))


def _training(case: Case, limits: TrainingLimits) -> Outcome:
    tier = case.tier
    assert tier is not None
    threshold = (
        f"finite, spikes ≤ {limits.max_spike_score:g}, final ≤ {limits.max_final_over_initial_loss:g} x initial loss, "
        f"gradient norm p99 ≤ {limits.max_grad_norm_p99:g}, every parameter learns"
    )
    if len(tier.health) < max(1, len(tier.arm.seeds)):
        return insufficient("not every training left its record", "measure", threshold=threshold)
    wrong = [text for item in tier.health for text in _unhealthy(item.fact, limits)]
    cited = tuple(item.id for item in tier.health)
    short = [text for item in tier.health if (text := _has_not_learned(item.fact, limits))]
    usual = [text for item in tier.baseline_health if (text := _has_not_learned(item.fact, limits))]
    if wrong or (short and not usual):
        told = dict.fromkeys([*wrong, *short])
        return decided(False, "; ".join(told), len(told), threshold, cited)
    unknown = list(dict.fromkeys(name for item in tier.health for name in _unknown(item.fact)))
    learns = tier.plumbing.fact.every_parameter_learns if tier.plumbing else None
    if learns is False:
        plumbed = (tier.plumbing.id,) if tier.plumbing else ()
        return decided(False, "a parameter never had a gradient", False, threshold, (*cited, *plumbed))
    lacking = [f"the trainings did not record {', '.join(unknown)}"] if unknown else []
    if short:  # a budget at which the baseline does not learn either tells nothing of the arm
        lacking += [f"{short[0]}, the baseline no better ({usual[0]}): the budget is too small to tell"]
    if learns is None:
        lacking += [_untried("whether every parameter learns was not tried", tier.plumbing)]
    if lacking:
        needs: tuple[Need, ...] = () if unknown else ("longer",) if short else _tries(tier.plumbing)
        return insufficient("; ".join(lacking), *needs, evidence=cited, threshold=threshold)
    return decided(True, f"{len(tier.health)} trainings went as they should", 0, threshold, cited)


def _loader(case: Case, _: NoLimits) -> Outcome:
    found = case.tier.plumbing if case.tier else None
    threshold = "same documents in the same order; resumed to the bit"
    if found is None or found.fact.loader_reproducible is None or found.fact.resume_exact is None:
        text = _untried("loader and resuming were not tried", found)
        return insufficient(text, *_tries(found), threshold=threshold)
    held = found.fact.loader_reproducible and found.fact.resume_exact
    text = (
        f"order {'repeats' if found.fact.loader_reproducible else 'does not repeat'}, "
        f"a resumed training {'equals' if found.fact.resume_exact else 'differs from'} an unbroken one{_on(found)}"
    )
    return decided(held, text, held, threshold, (found.id,))


def _export(case: Case, limits: ExportLimits) -> Outcome:
    found = case.tier.plumbing if case.tier else None
    threshold = f"logits ≤ {limits.max_abs_logit:g}, nats a token ≤ {limits.max_nll:g}"
    if found is None or found.fact.export_max_logit is None or found.fact.export_nll is None:
        return insufficient(_untried("no exported model was compared", found), *_tries(found), threshold=threshold)
    logit, nll = found.fact.export_max_logit, found.fact.export_nll
    held = logit <= limits.max_abs_logit and nll <= limits.max_nll
    return decided(held, f"logits differ by {logit:.1e}, loss by {nll:.1e}{_on(found)}", logit, threshold, (found.id,))


def _untried(text: str, found: Cited[Plumbing] | None) -> str:
    return (
        found.fact.why
        if found is not None and found.fact.why
        else (f"{text}; `curate study run` tries it" if found is None else text)
    )


def _tries(found: Cited[Plumbing] | None) -> tuple[Need, ...]:
    """Return what would fill in the machinery: a rerun where the result is older, or a mended machine; else nothing."""
    if found is None:
        return ("measure",)
    return ("again",) if found.fact.why else ()


def _on(found: Cited[Plumbing]) -> str:
    return f" ({found.fact.tried})" if found.fact.tried else ""


def _unhealthy(run: RunFacts, limits: TrainingLimits) -> list[str]:
    wrong = [] if run.finite and not run.diverged else ["a loss or gradient is no number, or it diverged"]
    if run.spike_score > limits.max_spike_score:
        wrong.append(f"spike score {run.spike_score:.4f}")
    if run.grad_norm_p99 is not None and run.grad_norm_p99 > limits.max_grad_norm_p99:
        wrong.append(f"gradient norm p99 {run.grad_norm_p99:.1f}")
    return wrong


def _has_not_learned(run: RunFacts, limits: TrainingLimits) -> str:
    """Return how little the loss fell where it fell too little; empty where it fell, or nothing is known."""
    if not run.initial_loss or not run.final_loss:
        return ""
    enough = run.final_loss <= limits.max_final_over_initial_loss * run.initial_loss
    return "" if enough else f"final loss {run.final_loss:.2f} of {run.initial_loss:.2f}"


def _unknown(run: RunFacts) -> list[str]:
    fields = {"initial loss": run.initial_loss, "final loss": run.final_loss, "gradient norm": run.grad_norm_p99}
    return [name for name, value in fields.items() if value is None]


CORPUS_CHECKS: dict[str, Check] = {
    "tokenizer-roundtrip": Check(limits=RoundtripLimits, judge=_roundtrip, any_tier=True),
    "corpus-integrity": Check(limits=IntegrityLimits, judge=_integrity, any_tier=True),
    "duplicate-explosion": Check(limits=DuplicateLimits, judge=_duplicates, any_tier=True),
    "source-shares": Check(limits=ShareLimits, judge=_shares, any_tier=True),
    "training": Check(limits=TrainingLimits, judge=_training),
    "loader": Check(limits=NoLimits, judge=_loader),
    "export-parity": Check(limits=ExportLimits, judge=_export),
}
