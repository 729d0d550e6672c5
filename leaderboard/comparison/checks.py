"""Named checks of a gain: only on easy tasks, only in loss, under one budget, and the two ways loss and tasks part.

Each says `found`, `not found` or `cannot tell`, with what was looked at, what it may mean, and what to do. A gain is a
difference beyond its interval; where run noise was measured, of many tasks or families one that Holm's procedure marks.
Where a gain is a warning, metrics that are only shown at the tier count too, and are called so. A task is easy when the
other side solves at least half of what guessing leaves, `(accuracy − chance) / (1 − chance) >= 0.5`; if that parts no
tasks, the upper third of those above chance. Difficulty is taken from B alone, over whole tasks: parting single items
by B's own answers would make A win the hard and lose the easy ones by regression to the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from curation.errors import CurateError
from leaderboard.comparison.row import CENTRED, LOG_RATIO, Row
from leaderboard.comparison.verdicts import Outcome
from leaderboard.words import log_percent, percent

EASY = 0.5
"""Centred accuracy of B from which a task is easy. Source: ours; half of what chance leaves."""
ORIENTATION = "the mean over slices may not be judged (rule 5), so nothing is said of a gain in loss"
FOUND, NOT_FOUND, CANNOT_TELL = "found", "not found", "cannot tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One named check of a comparison."""

    name: str
    state: str
    evidence: str
    explanation: str = ""
    advice: str = ""


def checks(outcomes: Sequence[Outcome]) -> list[Check]:
    """Return every check over all places of one comparison; states follow the module's docstring."""
    if not outcomes:
        return []
    return [easy_only(outcomes), loss_only(outcomes), one_budget_only(outcomes), lag(outcomes), tasks_only(outcomes)]


def easy_only(outcomes: Sequence[Outcome]) -> Check:
    """Return whether A gains accuracy on easy tasks and on no other."""
    name = "gain only on easy tasks"
    told: list[str] = []
    state = CANNOT_TELL
    for outcome in outcomes:
        easy, other, rule = split_by_difficulty(outcome.rows)
        if not easy or not other:
            told.append(f"{outcome.place.label}: {rule}")
            continue
        gains_easy, gains_other = _gained(easy, shown=True), _gained(other, shown=True)
        told.append(
            f"{outcome.place.label}: easy ({rule}): {_mean_text(easy)}, {len(gains_easy)} of {len(easy)} better; "
            f"other: {_mean_text(other)}, {len(gains_other)} of {len(other)} better" + _doubt([*easy, *other])
        )
        here = FOUND if gains_easy and not gains_other else NOT_FOUND
        state = FOUND if FOUND in (state, here) else here
    if state != FOUND:
        return Check(name=name, state=state, evidence="; ".join(told))
    return Check(
        name=name,
        state=state,
        evidence="; ".join(told),
        explanation="A small or easy suite can reward a narrow domain; harder tasks may show no gain or a loss.",
        advice="Look at the tasks you care about, at gold-answer bits per byte of the hard ones, and at a larger tier.",
    )


def loss_only(outcomes: Sequence[Outcome]) -> Check:
    """Return whether A gains in loss and in no measure of tasks."""
    name = "gain only in loss"
    if _unjudged(outcomes):
        return Check(name=name, state=CANNOT_TELL, evidence=ORIENTATION)
    pairs = [(outcome, _loss(outcome), _task_rows(outcome)) for outcome in outcomes]
    usable = [(outcome, loss, tasks) for outcome, loss, tasks in pairs if loss is not None and tasks]
    if not usable:
        return Check(name=name, state=CANNOT_TELL, evidence="needs a panel and a suite of tasks scored on both sides")
    told, states = [], []
    for outcome, loss, tasks in usable:
        better = _gained(tasks)
        states.append(FOUND if loss.side == "better" and not better else NOT_FOUND)
        shown = ", ".join(f"{row.name} ({row.metric})" for row in better[:4]) or "none"
        told.append(f"{outcome.place.label}: loss {_row_text(loss)}; better tasks, families or means: {shown}")
    if FOUND not in states:
        return Check(name=name, state=NOT_FOUND, evidence="; ".join(told))
    return Check(
        name=name,
        state=FOUND,
        evidence="; ".join(told),
        explanation="Validation loss can improve before tasks do: tasks are noisy, sparse or thresholded.",
        advice="Add seeds or a larger tier, read gold-answer bits per byte, and do not claim a downstream gain yet.",
    )


def one_budget_only(outcomes: Sequence[Outcome]) -> Check:
    """Return whether A gains under one token budget of a model and not under its others."""
    name = "gain under one token budget only"
    by_model: dict[str, dict[float, Row]] = {}
    for outcome in outcomes:
        budget = _budget(outcome)
        if budget is not None and outcome.headline is not None:
            by_model.setdefault(budget[0], {})[budget[1]] = outcome.headline
    several = {model: rows for model, rows in by_model.items() if len(rows) > 1}
    if not several:
        return Check(
            name=name,
            state=CANNOT_TELL,
            evidence="one token budget a model was compared; add half or twice of it (rule 16): `budgets: [0.5, 1, 2]`",
        )
    told, state = [], NOT_FOUND
    for model, rows in several.items():
        shown = ", ".join(f"{budget:g}x {_row_text(row)}" for budget, row in sorted(rows.items()))
        told.append(f"{model}: {shown}")
        if sum(row.side == "better" and row.judged for row in rows.values()) == 1:
            state = FOUND
    if state == NOT_FOUND:
        return Check(name=name, state=state, evidence="; ".join(told))
    return Check(
        name=name,
        state=state,
        evidence="; ".join(told),
        explanation="A filter may help at few tokens and hurt at many, where diversity counts for more; or it only "
        "makes early training faster.",
        advice="Compare more budgets (rule 16) and the number of epochs before the larger run; claim one budget only.",
    )


def lag(outcomes: Sequence[Outcome]) -> Check:
    """Return whether loss gains while accuracy does not, or only from some size on: the first of the two cases."""
    name = "downstream lags loss"
    usable = []
    for outcome in _by_size(outcomes):
        loss, accuracy = _loss(outcome), _accuracy(outcome)
        if loss is not None and accuracy is not None:
            usable.append((outcome, loss, accuracy))
    if not usable:
        needs = "needs a panel and tasks with accuracy on both sides"
        return Check(name=name, state=CANNOT_TELL, evidence=ORIENTATION if _unjudged(outcomes) else needs)
    told = [
        f"{outcome.place.label}: loss {_row_text(loss)}, accuracy {_row_text(accuracy)}"
        for outcome, loss, accuracy in usable
    ]
    behind = [accuracy for _, loss, accuracy in usable if loss.side == "better" and accuracy.side != "better"]
    if not behind:
        return Check(name=name, state=NOT_FOUND, evidence="; ".join(told))
    catches_up = len(usable) > 1 and usable[-1][2].side == "better" and usable[0][2].side != "better"
    seen = "; the gain appears at the largest size" if catches_up else ""
    return Check(
        name=name,
        state=FOUND,
        evidence="; ".join(told) + seen,
        explanation="Not necessarily a failure: downstream scores are noisy, sparse or thresholded, and a capability "
        "may only become visible once the model has enough capacity.",
        advice="Follow gold-answer bits per byte, which moves before accuracy, and score the next larger tier.",
    )


def tasks_only(outcomes: Sequence[Outcome]) -> Check:
    """Return whether tasks gain while the interval of loss holds zero: the second of the two cases."""
    name = "downstream moves without loss"
    told, state = [], CANNOT_TELL
    for outcome in outcomes:
        loss, tasks = _loss(outcome), _task_rows(outcome)
        if loss is None or not tasks:
            continue
        better = _gained(tasks, shown=True)
        slices = [row.name for row in outcome.rows if row.level == "slice" and row.side == "better"]
        here = FOUND if better and loss.side == "level" else NOT_FOUND
        state = FOUND if FOUND in (state, here) else here
        shown = ", ".join(f"{row.name} ({row.metric}) {_row_text(row)}" for row in better[:4]) or "none"
        shown += _doubt(better)
        also = f"; slices with a gain: {', '.join(slices)}" if slices else ""
        told.append(f"{outcome.place.label}: loss {_row_text(loss)}; better: {shown}{also}")
    if state != FOUND:
        needs = "needs a panel and a suite of tasks scored on both sides"
        evidence = "; ".join(told) or (ORIENTATION if _unjudged(outcomes) else needs)
        return Check(name=name, state=state, evidence=evidence)
    return Check(
        name=name,
        state=state,
        evidence="; ".join(told),
        explanation="The change may improve a narrow domain that is diluted in average validation loss.",
        advice="Read the slice of that domain, add it to the panel if there is none, and check contamination of the "
        "tasks that moved (`--items-list`).",
    )


def split_by_difficulty(rows: Sequence[Row]) -> tuple[list[Row], list[Row], str]:
    """Return accuracy rows of easy and of other tasks, and by what rule they were parted."""
    known = {
        row.name: (row, (row.b - row.chance) / (1 - row.chance))
        for row in rows
        if row.level == "task" and row.metric.startswith("acc_") and row.chance is not None and row.chance < 1
    }
    if len(known) < 2:
        return [], [], "fewer than two tasks have accuracy and a known chance level"
    easy = {name for name, (_, centred) in known.items() if centred >= EASY}
    rule = f"B solves at least {EASY:.0%} of what chance leaves"
    if not easy or len(easy) == len(known):
        able = sorted((name for name, (row, _) in known.items() if row.above_chance), key=lambda name: -known[name][1])
        easy = set(able[: max(1, len(able) // 3)]) if len(able) > 0 else set()
        rule = "upper third of the tasks above chance by B's centred accuracy"
    if not easy or len(easy) == len(known):
        return [], [], "no task is above chance, so none is easy"
    rule += f": {', '.join(sorted(easy))}"
    return (
        [row for name, (row, _) in known.items() if name in easy],
        [row for name, (row, _) in known.items() if name not in easy],
        rule,
    )


def _gained(rows: Sequence[Row], *, shown: bool = False) -> list[Row]:
    """Return rows better beyond their interval; where a table was marked, those that Holm's procedure marks.

    `shown`: also those of metrics that are shown and not judged at the tier.
    """
    able = [row for row in rows if row.judged or (shown and row.trust == "shown" and row.above_chance is not False)]
    return [row for row in able if row.side == "better" and row.holm is not False]


def _doubt(rows: Sequence[Row]) -> str:
    """Return that a metric is only shown at the tier, if one is."""
    return " (a metric that is shown, not judged, at this tier)" if any(row.trust != "judged" for row in rows) else ""


def _task_rows(outcome: Outcome) -> list[Row]:
    return [row for row in outcome.rows if row.level in ("task", "family", "all-tasks")]


def _loss(outcome: Outcome) -> Row | None:
    """Return the headline of loss if it may be judged."""
    return next((row for row in outcome.rows if row.level == "headline" and row.judged), None)


def _unjudged(outcomes: Sequence[Outcome]) -> bool:
    """Whether there are headlines of loss, and none that may be judged."""
    heads = [row for outcome in outcomes for row in outcome.rows if row.level == "headline"]
    return bool(heads) and not any(row.judged for row in heads)


def _accuracy(outcome: Outcome) -> Row | None:
    return next((row for row in outcome.rows if row.level == "all-tasks" and row.metric == CENTRED), None)


def _budget(outcome: Outcome) -> tuple[str, float] | None:
    from train.tiers import load_tier

    if not outcome.place.tier or outcome.place.checkpoint is not None:
        return None
    try:
        tier = load_tier(outcome.place.tier)
    except CurateError:
        return None
    return (tier.model, tier.multiple) if not tier.variant else None


def _by_size(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return outcomes by the model's size, then tokens, as far as tiers are known; else as they come."""
    from train.tiers import load_tier

    def size(outcome: Outcome) -> tuple[float, float]:
        try:
            tier = load_tier(outcome.place.tier)
        except CurateError:
            return (0.0, 0.0)
        return (float(tier.shape.non_embedding_params), float(outcome.place.checkpoint or tier.num_tokens))

    return sorted(outcomes, key=size)


def _mean_text(rows: Sequence[Row]) -> str:
    return f"mean {percent(sum(row.gain for row in rows) / len(rows)).replace('%', ' pp')} accuracy"


def _row_text(row: Row) -> str:
    values = (row.delta, row.low, row.high)
    if row.unit == LOG_RATIO:
        shown = [log_percent(value) for value in values]
    else:
        shown = [percent(value).replace("%", " pp") for value in values]
    bounds = f" ({shown[1]} to {shown[2]})" if row.low is not None and row.high is not None else ""
    return f"{shown[0]}{bounds}"
