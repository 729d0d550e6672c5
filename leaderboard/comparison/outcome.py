"""Comparison of two sides at every place where they meet: rows, the split by the control, and a verdict with reasons.

What one place compares is one panel digest, one suite digest, one context and one version of the metrics; sides that
differ in one of these are refused, never put in one table. Other arms (a study's) serve to know the noise of seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from curation.errors import RunError
from curation.numerics import NoisePrior
from leaderboard.compare_arms import Rules, as_comparison, shared_seeds, slice_pairs, why_invalid
from leaderboard.comparison.rows import Found, Row, slice_rows, task_rows
from leaderboard.comparison.sides import OWN_TRAINER, Model, PanelScores, Place, Side, panel_run, shared_places
from leaderboard.comparison.tasks import measures
from leaderboard.results import Comparison, Reason
from leaderboard.scores import gather
from leaderboard.verdict import is_laptop_tier
from train.evals.results import Scored, differences, refuse_unlike


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which sides are compared, and what is known beside their scores."""

    a: str
    b: str
    matched: str | None = None
    """The control `random-matched` of A (rule 3)."""
    noise: Mapping[str, NoisePrior] = field(default_factory=dict)
    """Measured run noise by slice and by `TASK/METRIC`, on the scale of its rows; empty: none was measured."""
    needs_control: bool = False
    """Whether a claim without control is refused, as in a filter study."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What comparing two sides at one place found."""

    place: Place
    a: str
    b: str
    seeds: tuple[int, ...]
    panels: tuple[Comparison, ...]
    suites: tuple[str, ...]
    rows: tuple[Row, ...]
    verdict: str
    reasons: tuple[Reason, ...]
    notes: tuple[str, ...]
    invalid: str

    @property
    def headline(self) -> Row | None:
        """The row that the verdict is about: the mean over slices, else over tasks."""
        wanted = [row for row in self.rows if row.level in ("headline", "all-tasks")]
        return wanted[0] if wanted else None

    @property
    def regressions(self) -> list[Row]:
        """Slices, families and tasks that got worse, by how far they are beyond their noise."""
        worse = [row for row in self.rows if row.level in ("slice", "family", "task") and row.gain < 0]
        known = [row for row in worse if row.above_chance is not False]
        return sorted(known, key=lambda row: (row.side != "worse", row.gain / ((row.half_width or 0.0) + 1e-12)))


def compare_sides(sides: Mapping[str, Side], question: Question) -> list[Outcome]:
    """Return what comparing side `a` with side `b` found, place by place.

    Raises: RunError or ResultsError if they never meet, share no seed, or their scores must not share a table.
    """
    places = shared_places(sides[question.a], sides[question.b])
    budgets = _budgets(places)
    return [_at_place(sides, question, place, budgets.get(_model_of(place.tier), 1)) for place in places]


def _at_place(sides: Mapping[str, Side], question: Question, place: Place, num_budgets: int) -> Outcome:
    present = {label: side.at(place) for label, side in sides.items() if place in side.places()}
    total = _parts(present, question, question.a, question.b)
    if not total.rows:
        raise RunError(
            f"comparison of {question.a} with {question.b} at {place.label}: no panel and no suite that both were "
            "scored on; expected one; score both with `curate eval`"
        )
    rows = [item.row for item in total.rows]
    if question.matched in present and present[question.a].keys() & present[str(question.matched)].keys():
        quality = _parts(present, question, question.a, str(question.matched))
        rows = _split(rows, [item.row for item in quality.rows])
    ours, theirs = present[question.a], present[question.b]
    seeds = tuple(sorted(ours.keys() & theirs.keys()))
    done = {
        (label, seed): model.interventions
        for label in (question.a, question.b)
        for seed, model in present[label].items()
        if model.interventions
    }
    outcome = Outcome(
        place=place,
        a=question.a,
        b=question.b,
        seeds=seeds,
        panels=tuple(total.panels),
        suites=tuple(total.suites),
        rows=tuple(rows),
        verdict="",
        reasons=(),
        notes=tuple(_notes(ours, theirs, total, question)),
        invalid=why_invalid(done, question.a, question.b, seeds),
    )
    return _judged(outcome, question, num_budgets)


@dataclass(slots=True, kw_only=True)
class _Parts:
    rows: list[Found]
    panels: list[Comparison]
    suites: list[str]


def _parts(present: Mapping[str, Mapping[int, Model]], question: Question, a: str, b: str) -> _Parts:
    """Return the rows of every panel and every suite that two sides share."""
    parts = _Parts(rows=[], panels=[], suites=[])
    for name in _shared_names(present, a, b, panels=True):
        _add_panel(parts, present, question, (a, b, name))
    for name in _shared_names(present, a, b, panels=False):
        _add_suite(parts, present, question, (a, b, name))
    return parts


def _shared_names(present: Mapping[str, Mapping[int, Model]], a: str, b: str, *, panels: bool) -> list[str]:
    def names(label: str) -> list[str]:
        models = present[label].values()
        if panels:
            return [panel.name for model in models for panel in model.panels]
        return [one.results.suite.name for model in models for one in model.suites]

    theirs = set(names(b))
    return [name for name in dict.fromkeys(names(a)) if name in theirs]


def _add_panel(
    parts: _Parts, present: Mapping[str, Mapping[int, Model]], question: Question, which: tuple[str, str, str]
) -> None:
    a, b, name = which
    held = {label: _panels(models, name) for label, models in present.items()}
    first = next(iter(held[a].values()))
    shared = {panel.digest for panel in held[a].values()} & {panel.digest for panel in held[b].values()}
    digest = first.digest if first.digest in shared or not shared else sorted(shared)[0]
    compared = [panel for label in (a, b) for panel in held[label].values() if panel.results is not None]
    refuse_unlike([panel.results for panel in compared if panel.results is not None] or [])
    runs = []
    for label, panels in held.items():
        for seed, panel in panels.items():
            if label in (a, b) or panel.digest == digest:  # a digest that differs between A and B is refused by gather
                runs.append(panel_run(present[label][seed], panel, label, seed))
    scores = gather(runs)
    selected = frozenset[str]().union(*(model.selected_for for label in (a, b) for model in present[label].values()))
    rules = Rules(selected_for=selected, noise=question.noise)
    found = slice_pairs(scores, a, b, rules)
    rows = slice_rows(found, scores)
    if parts.panels:  # a second panel: its slices under its name, its mean no headline
        rows = [_renamed(item, name) for item in rows]
    parts.rows += rows
    parts.panels.append(as_comparison(found, scores, rules))


def _renamed(item: Found, panel: str) -> Found:
    level = "panel" if item.row.level == "headline" else item.row.level
    return replace(item, row=replace(item.row, name=f"{panel}: {item.row.name}", level=level))


def _panels(models: Mapping[int, Model], name: str) -> dict[int, PanelScores]:
    return {seed: panel for seed, model in models.items() for panel in model.panels if panel.name == name}


def _add_suite(
    parts: _Parts, present: Mapping[str, Mapping[int, Model]], question: Question, which: tuple[str, str, str]
) -> None:
    a, b, name = which
    held: dict[tuple[str, int], Scored] = {}
    for label, models in present.items():
        for seed, model in models.items():
            for one in model.suites:
                if one.results.suite.name == name:
                    held[label, seed] = one
    first = next(one for (label, _), one in held.items() if label == a)
    refuse_unlike([one for (label, _), one in held.items() if label in (a, b)])
    runs = {key: one for key, one in held.items() if key[0] in (a, b) or not differences(first.results, one.results)}
    where = f"comparison of {a} with {b} on suite {name}"
    design, _ = shared_seeds(list(runs), a, b, f"suite {name}")
    parts.rows += task_rows(measures(list(runs.values()), where), design, question.noise)
    parts.suites.append(f"{name} {first.results.suite.digest[:8]}")


def _split(rows: Sequence[Row], quality: Sequence[Row]) -> list[Row]:
    """Return rows with the part that the control leaves (rule 3): total = quality + rest."""
    by_key = {(row.level, row.name, row.metric): row for row in quality}
    found = []
    for row in rows:
        own = by_key.get((row.level, row.name, row.metric))
        if own is not None:
            row = replace(
                row, quality=own.delta, quality_low=own.low, quality_high=own.high, rest=row.delta - own.delta
            )
        found.append(row)
    return found


def _notes(ours: Mapping[int, Model], theirs: Mapping[int, Model], parts: _Parts, question: Question) -> list[str]:
    notes = []
    for label, own, other in ((question.a, ours, theirs), (question.b, theirs, ours)):
        alone = sorted(own.keys() - other.keys())
        if alone:
            notes.append(f"{label}: seeds {', '.join(map(str, alone))} have no pair and only help to know the noise")
        if any(model.seed is None for model in own.values()):
            notes.append(f"{label}: models without seed are numbered in the order given")
        if any(model.trainer != OWN_TRAINER for model in own.values()):
            trainers = ", ".join(sorted({model.trainer for model in own.values()}))
            notes.append(f"{label}: scored by {trainers}; that tier, tokenizer and budget are equal was not checked")
    seen = {model.tokens_seen for model in (*ours.values(), *theirs.values()) if model.tokens_seen is not None}
    if len(seen) > 1:
        shown = ", ".join(f"{value:,}" for value in sorted(seen))
        notes.append(f"tokens seen differ: {shown}; a gain may be more training (rule 16)")
    if question.matched is None:
        notes.append("no random-matched control: the gain is not split into reweighting and document quality (rule 3)")
    return notes


def _judged(outcome: Outcome, question: Question, num_budgets: int) -> Outcome:
    reasons = list(_reasons(outcome, question, num_budgets))
    return replace(outcome, reasons=tuple(reasons), verdict="insufficient" if reasons else _decide(outcome))


def _reasons(outcome: Outcome, question: Question, num_budgets: int) -> list[Reason]:
    """Return why nothing can be decided; empty when it can."""
    tier, headline = outcome.place.tier, outcome.headline
    reasons = []
    if is_laptop_tier(tier):
        reasons.append(Reason(rule=18, text=f"{tier} is a laptop tier: plumbing, not evidence, which starts at micro"))
    if not question.noise:
        where = tier or "models of unknown tier"
        reasons.append(Reason(rule=9, text=f"run noise of {where} was never measured: no noise pack of 8 seeds"))
    if len(outcome.seeds) < 2:
        text = "one seed: seed noise is unknown, the intervals hold families and items only"
        reasons.append(Reason(rule=8, text=text))
    if headline is not None and headline.level == "headline" and not headline.judged:
        text = "no slice has 50 families and 1 MB in the panel: all are shown, none judged"
        reasons.append(Reason(rule=5, text=text))
    if num_budgets < 2:
        text = "one token budget: a claim needs at least two multiples of it"
        reasons.append(Reason(rule=16, text=text))
    if question.needs_control and question.matched is None:
        text = "no random-matched control: quality and reweighting cannot be told apart"
        reasons.append(Reason(rule=3, text=text))
    if outcome.invalid:
        reasons.append(Reason(rule=17, text=outcome.invalid))
    return reasons


def _decide(outcome: Outcome) -> str:
    """Return the verdict of runs that may decide."""
    headline = outcome.headline
    side = headline.side if headline else "unknown"
    lost = [row for row in outcome.rows if row.side == "worse" and row.judged and row.holm]
    if side == "worse" or (lost and side != "better"):
        return "worse"
    if side != "better":
        return "no-difference"
    if lost:
        return "regression"
    assert headline is not None
    kept = headline.quality is None or (headline.quality_high is not None and headline.quality_high < 0)
    return "better" if kept or not headline.lower_is_better else "reweighting"


def _model_of(tier: str) -> str:
    plain = tier.partition("@")[0]
    return plain.rpartition("-")[0] if plain.endswith("x") else plain


def _budgets(places: Sequence[Place]) -> dict[str, int]:
    """Count the token budgets of each model among finished, plain tiers."""
    budgets: dict[str, set[str]] = {}
    for place in places:
        if place.tier and place.checkpoint is None and "@lr" not in place.tier:
            budgets.setdefault(_model_of(place.tier), set()).add(place.tier.partition("@")[0])
    return {model: len(found) for model, found in budgets.items()}
