"""Comparison of two sides at every place where they meet: rows, the split by the control, and a verdict with reasons.

What one place compares is one panel digest, one suite digest, one context and one version of the metrics; sides that
differ in one of these are refused, never put in one table. Other arms (a study's) serve to know the noise of seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from curation.errors import RunError
from leaderboard.compare_arms import Rules, as_comparison, shared_seeds, slice_pairs, why_invalid
from leaderboard.comparison.marks import with_marks
from leaderboard.comparison.matching import lacking, matched, unmet
from leaderboard.comparison.row import Row
from leaderboard.comparison.rows import Found, slice_rows, task_rows
from leaderboard.comparison.sides import OWN_TRAINER, Model, PanelScores, Place, Side, panel_run, shared_places
from leaderboard.comparison.sums import NOTE, sums_of, sums_rows
from leaderboard.comparison.task_noise import TaskRuns, task_noise
from leaderboard.comparison.tasks import measures
from leaderboard.comparison.verdicts import Outcome, count_budgets, judged, model_of
from leaderboard.noise.find import Found as Noise
from leaderboard.noise.find import noise_for
from leaderboard.noise.pack import NoisePack
from leaderboard.scores import gather
from leaderboard.studies.results import Comparison, Reason
from train.evals.panel_marks import EXTERNAL, NOT_SPLIT_OFF
from train.evals.results import Scored, differences, refuse_unlike


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which sides are compared, and what is known beside their scores."""

    a: str
    b: str
    matched: str | None = None
    """The control `random-matched` of A (rule 3)."""
    packs: Sequence[tuple[Path, NoisePack]] = ()
    """All noise packs that are known (rule 9)."""
    needs_control: bool = False
    """Whether a claim without control is refused, as in a filter study."""


def compare_sides(sides: Mapping[str, Side], question: Question) -> list[Outcome]:
    """Return what comparing side `a` with side `b` found, place by place.

    Raises: RunError or ResultsError if they never meet, share no seed, or their scores must not share a table.
    """
    places = shared_places(sides[question.a], sides[question.b])
    budgets = count_budgets(places)
    found = [_at_place(sides, question, place, budgets.get(model_of(place.tier), 1)) for place in places]
    alone = [note for one in (question.a, question.b) for note in unmet(sides[one], places)]
    return [replace(found[0], notes=(*alone, *found[0].notes)), *found[1:]]


def _at_place(sides: Mapping[str, Side], question: Question, place: Place, num_budgets: int) -> Outcome:
    everyone = {label: side.at(place) for label, side in sides.items() if place in side.places()}
    present, left_out = matched(everyone, question.a, question.b)
    total = _parts(present, question, question.a, question.b)
    total.notes[:0] = [*left_out, *lacking(present, question.a, question.b)]
    rows = [item.row for item in total.rows] + total.bare
    if not rows:
        raise RunError(
            f"comparison of {question.a} with {question.b} at {place.label}: no panel and no suite that both were "
            "scored on; expected one; score both with `curate eval`"
        )
    if question.matched in present and present[question.a].keys() & present[str(question.matched)].keys():
        control, _ = matched(everyone, question.a, str(question.matched))
        quality = _parts(control, question, question.a, str(question.matched))
        rows = _split(rows, [item.row for item in quality.rows])
    ours, theirs = present[question.a], present[question.b]
    selected = frozenset[str]().union(*(model.selected_for for model in (*ours.values(), *theirs.values())))
    rows = with_marks(rows, ours.values(), theirs.values(), selected)
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
    found = judged(outcome, known=total.reasons, num_budgets=num_budgets, needs_control=_lacks_control(question))
    if total.rows:
        return found
    text = "results are sums alone, as imported: without items or documents no difference has an interval"
    others = [reason for reason in found.reasons if not reason.text.endswith(NOTE)]  # it says the same of one row
    return replace(found, verdict="insufficient", reasons=(Reason(rule=8, text=text), *others))


@dataclass(slots=True, kw_only=True)
class _Parts:
    rows: list[Found]
    panels: list[Comparison]
    suites: list[str]
    bare: list[Row]
    """Rows of sums, without interval."""
    reasons: list[Reason]
    """Why what the headline was measured by decides nothing: its documents (rule 1), its run noise (rule 9)."""
    decided: bool = False
    """Whether the headline is among the rows."""
    notes: list[str]

    def add(self, rows: Sequence[Found], noise: Noise, unsafe: str = "") -> None:
        """Add the rows of a panel or a suite; the first that brings a mean brings the headline and its reasons."""
        decides = any(item.row.level in ("headline", "all-tasks") for item in rows)
        if not self.decided and (decides or not self.rows):
            self.reasons = [Reason(rule=1, text=unsafe)] if unsafe and decides else []
            self.reasons += [Reason(rule=9, text=noise.reason)] if noise.reason else []
            self.notes += [noise.note] if noise.note else []
        if unsafe and not (decides and not self.decided):
            self.notes.append(f"{unsafe} (rule 1)")
        self.decided |= decides
        self.rows += rows


def _parts(present: Mapping[str, Mapping[int, Model]], question: Question, a: str, b: str) -> _Parts:
    """Return the rows of every panel and every suite that two sides share."""
    parts = _Parts(rows=[], panels=[], suites=[], bare=[], notes=[], reasons=[])
    panels = _shared_names(present, a, b, panels=True)
    panels.sort(key=lambda one: bool(_unsafe(present, (a, b, one))))  # kept apart first: it decides
    apart = []
    for add, names in ((_add_panel, panels), (_add_suite, _shared_names(present, a, b, panels=False))):
        for name in names:
            if _seeds_of(present[a], name, add is _add_panel) & _seeds_of(present[b], name, add is _add_panel):
                add(parts, present, question, (a, b, name))
            else:
                apart.append((add, name))
    for add, name in apart[:1] if not parts.rows else ():
        add(parts, present, question, (a, b, name))  # refuses: no seed in common
    for name, pairs in sums_of(present[a], present[b]):
        parts.bare += sums_rows(pairs)
        parts.notes.append(f"{name}: tasks or slices that are sums alone are shown without interval and not judged")
        parts.suites.append(f"{name} {pairs[0][0].results.suite.digest[:8]} (sums)")
    return parts


def _seeds_of(models: Mapping[int, Model], name: str, panels: bool) -> set[int]:
    """Return the seeds that have scores of a panel or a suite."""
    if panels:
        return set(_panels(models, name))
    return {seed for seed, model in models.items() if any(one.results.suite.name == name for one in model.suites)}


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
    compared = [panel for label in (a, b) for panel in held[label].values()]
    told = [panel.results for panel in compared if panel.results is not None]
    if told:
        refuse_unlike(told)
    runs = []
    for label, panels in held.items():
        for seed, panel in panels.items():
            if label in (a, b) or panel.digest == digest:  # a digest that differs between A and B is refused by gather
                runs.append(panel_run(present[label][seed], panel, label, seed))
    scores = gather(runs)
    models = [model for label in (a, b) for model in present[label].values()]
    selected = frozenset[str]().union(*(model.selected_for for model in models))
    noise = noise_for(runs, scores, question.packs, selected)
    rules = Rules(selected_for=selected, noise=noise.priors)
    found = slice_pairs(scores, a, b, rules)
    rows = slice_rows(found, scores, noise.dropped)
    if parts.panels:  # a second panel: its slices under its name, its mean no headline
        rows = [_renamed(item, name) for item in rows]
    parts.add(rows, noise, _unsafe(present, which))
    parts.panels.append(as_comparison(found, scores, rules))


def _unsafe(present: Mapping[str, Mapping[int, Model]], which: tuple[str, str, str]) -> str:
    """Return why a panel's documents may have been trained on by one side more than by the other; empty if not."""
    a, b, name = which
    panels = [panel for label in (a, b) for panel in _panels(present[label], name).values()]
    marks = {mark for panel in panels for own in panel.marks.values() for mark in own}
    if EXTERNAL in marks:
        return f"panel {name}: documents of others, which nothing was kept apart from ({EXTERNAL})"
    if NOT_SPLIT_OFF in marks:
        return f"panel {name}: a compared model may have been trained on it ({NOT_SPLIT_OFF})"
    return ""


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
    measured = measures(list(runs.values()), where)
    place = next(iter(present[a].values())).place
    task_runs = TaskRuns(
        place=place,
        models=[present[label][seed] for label, seed in runs],
        scored=list(runs.values()),
        measured=measured,
        design=design,
    )
    noise = task_noise(question.packs, task_runs)
    parts.add(task_rows(measured, design, noise), noise)
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
    notes += parts.notes
    if question.matched is None:
        notes.append("no random-matched control: the gain is not split into reweighting and document quality (rule 3)")
    return notes


def _lacks_control(question: Question) -> bool:
    return question.needs_control and question.matched is None
