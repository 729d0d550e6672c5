"""L1, second part: the study's words are those that were frozen, one thing was changed, and no seed was picked.

The fingerprint is taken over the words again. An arm's recipe may differ from the base in one component (rule 17).
Every arm has the seeds 1..n that the study froze, none else and none missing, but where promotion stopped it (rule 10).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from curation.files import Json, canonical_json
from curation.recipe_changes import stage_changes
from leaderboard.entries.checks import Check, Subject, absent, not_applicable, verdict
from leaderboard.entries.manifest import RESULT_FILE, STUDY_FILE
from leaderboard.entries.names import name_fault, text_fault
from leaderboard.entries.tracks import private_track, track_faults
from leaderboard.studies.arms import Arm
from leaderboard.studies.facts import Promotion
from leaderboard.studies.identity import study_fingerprint
from leaderboard.studies.one_change import WORDS
from leaderboard.studies.promotion import going_on
from train.tiers import load_tier

_SAID_TWICE = frozenset({"name", "hypothesis", "kind", "multi_factor", "protect", "trade"})
"""Words that `results.json` repeats."""
RUN_AGAIN = "`curate study run STUDY.yaml` completes it; then `curate submit STUDY_DIR --to BOARD`"


def word_checks(subject: Subject) -> list[Check]:
    """Return all checks of this part."""
    if not subject.frozen:
        text = f"no {STUDY_FILE}: published numbers have no frozen study"
        return [absent("study", text, "published numbers stay at level 0"), names_check(subject), track_check(subject)]
    return [
        verdict("study", _study_faults(subject), "words and fingerprint agree", remedy=RUN_AGAIN),
        verdict("one-change", _change_faults(subject), "every arm changes one component", remedy=_split()),
        verdict("seeds", _seed_faults(subject), "seeds 1..n complete, none picked (rule 10)", remedy=RUN_AGAIN),
        names_check(subject),
        track_check(subject),
    ]


def names_check(subject: Subject) -> Check:
    """Check what people will read: markup, control and direction-changing characters in names are refused."""
    manifest = subject.manifest
    faults = []
    if manifest.submitter and (fault := name_fault(manifest.submitter)):
        faults.append(f"submitter {manifest.submitter!r} {fault}")
    if fault := text_fault(manifest.study.hypothesis):
        faults.append(f"hypothesis {fault}")
    labels = {run.arm for run in manifest.runs} | {run.tier for run in manifest.runs}
    labels |= {name for run in manifest.runs for name in run.bpb}
    labels |= {suite.name for run in manifest.runs for suite in run.suites}
    faults += [f"name {label!r} {fault}" for label in sorted(labels) if (fault := _label_fault(label))]
    rest = {text for text in _strings(manifest.as_json()) if text not in labels and text != manifest.study.hypothesis}
    faults += [f"{text!r} {fault}" for text in sorted(rest) if (fault := text_fault(text))]
    remedy = 'choose another name: `curate submit STUDY_DIR --to BOARD --name "plain name"`'
    return verdict("names", faults, "names are plain", remedy=remedy)


def _label_fault(label: str) -> str | None:
    return text_fault(label) or ("holds a line break or a tab" if set(label) & set("\n\t") else None)


def _strings(value: Json) -> Iterator[str]:
    """Yield every text of a JSON value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from value
        yield from (text for one in value.values() for text in _strings(one))
    elif isinstance(value, list | tuple):
        yield from (text for one in value for text in _strings(one))


def track_check(subject: Subject) -> Check:
    """Check the digests that the entry's track fixes."""
    manifest = subject.manifest
    if subject.tracks is None and manifest.track == private_track(manifest.pool, manifest.panel):
        return not_applicable("track", "it lies on no board and names no track of one: a private pool")
    if subject.tracks is None:
        text = f"the entry lies on no board, so track `{manifest.track}` is unknown"
        return absent("track", text, "give the board: `curate leaderboard verify ENTRY --board BOARD`")
    private = subject.manifest.division == "private"
    good = (
        "private pool: a division of its own, unverified" if private else f"digests of track {subject.manifest.track}"
    )
    return verdict("track", track_faults(subject.manifest, subject.tracks), good, remedy="see each fault")


def _study_faults(subject: Subject) -> Iterator[str]:
    identity, facts, result = subject.frozen.get("identity"), subject.manifest.study, subject.result
    if not isinstance(identity, Mapping) or not isinstance(identity.get("study"), Mapping):
        yield f"{STUDY_FILE} holds no identity"
        return
    found = study_fingerprint(identity)
    for where, said in (
        ("the manifest", facts.fingerprint),
        (STUDY_FILE, subject.frozen.get("fingerprint")),
        (RESULT_FILE, result.get("fingerprint")),
    ):
        if said != found:
            yield f"{where} says study {str(said)[:16]}, its words make {found[:16]}: they were changed"
    words = identity["study"]
    said_words = (
        ("name", facts.name, words.get("name")),
        ("hypothesis", facts.hypothesis, words.get("hypothesis")),
        ("kind", facts.kind, words.get("kind")),
        ("multi_factor", facts.multi_factor, words.get("multi_factor")),
        ("tiers", dict(facts.tiers), dict(words.get("tiers", {}))),
        ("pool", subject.manifest.pool, identity.get("pool")),
    )
    for name, here, frozen in said_words:
        if here != frozen:
            yield f"{name} is {here!r} in the manifest, {frozen!r} in {STUDY_FILE}"
    if facts.base != result.get("base", facts.base):
        yield f"base is {facts.base!r} in the manifest, {result['base']!r} in {RESULT_FILE}"
    for name in sorted(words.keys() & result.keys() & _SAID_TWICE):
        if canonical_json(result[name]) != canonical_json(words[name]):
            yield f"{name} is {result[name]!r} in {RESULT_FILE}, {words[name]!r} in {STUDY_FILE}"
    corpora = identity.get("corpora", {})
    for run in subject.manifest.runs:
        if run.arm not in corpora:
            yield f"{run.label}: the study froze no arm `{run.arm}`"
        elif run.corpus != corpora[run.arm]:
            yield f"{run.label}: corpus {str(run.corpus)[:8]}, the study froze {str(corpora[run.arm])[:8]}"


def changed_components(base: Mapping[str, Any], recipe: Mapping[str, Any]) -> list[str]:
    """Return the components in which two recipes differ, one for each stage that was put in, taken out or replaced."""
    changes = stage_changes(base.get("stages", []), recipe.get("stages", []))
    found = [(change.after or change.before).kind for change in changes]  # type: ignore[union-attr]
    return found + [
        key for key in sorted({*base, *recipe} - {"stages", "pool", *WORDS}) if base.get(key) != recipe.get(key)
    ]


def _change_faults(subject: Subject) -> Iterator[str]:
    recipes = subject.frozen.get("recipes", {})
    base = recipes.get("baseline")
    arms = sorted({run.arm for run in subject.manifest.runs if run.role == "arm"})
    if base is None or any(arm not in recipes for arm in arms):
        yield f"{STUDY_FILE} holds no recipe of {', '.join(arm for arm in ('baseline', *arms) if arm not in recipes)}"
        return
    if subject.manifest.study.multi_factor:
        return
    trainings = subject.frozen["identity"].get("trainings", {})
    for arm in arms:
        changed = changed_components(base, recipes[arm]) + (["training"] if arm in trainings else [])
        if len(changed) > 1:
            yield f"arm {arm} changes {len(changed)} components ({', '.join(changed)}), expected one (rule 17)"


def _seed_faults(subject: Subject) -> Iterator[str]:
    manifest = subject.manifest
    failures = subject.result.get("failures", [])
    for one in failures:
        yield f"{one['arm']} {one['tier']} seed {one['seed']}: its training failed"
    stopped = stopped_arms(subject.result)
    arms = subject.frozen.get("identity", {}).get("corpora", {})
    for tier, count in manifest.study.tiers.items():
        for arm in arms:
            seeds = sorted(run.seed or 0 for run in manifest.run_records(tier=tier, arm=arm))
            expected = list(range(1, count + 1))
            if seeds == expected or (not seeds and (arm, tier) in stopped):
                continue
            yield f"{arm} {tier}: seeds {_listed(seeds)}, expected {_listed(expected)}"
    for run in manifest.runs:
        if run.tier not in manifest.study.tiers:
            yield f"{run.label}: a tier that the study did not freeze"


def stopped_arms(result: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return (arm, tier) that promotion left out: arms that an earlier tier stopped, and their controls."""
    facts = result.get("facts", {})
    order = sorted(result.get("tiers", {}), key=lambda name: load_tier(name).num_flops)
    promotion = [Promotion(**{**one, "evidence": tuple(one["evidence"])}) for one in facts.get("promotion", [])]
    arms = [_Side(name=arm["name"], role=arm["role"], of=arm["of"]) for arm in result.get("arms", [])]
    found = set()
    for tier in order:
        going = going_on(cast("Sequence[Arm]", arms), promotion, tier, order)
        found |= {(arm.name, tier) for arm in arms if arm.name not in going}
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """What promotion asks of an arm."""

    name: str
    role: str
    of: str


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds)) or "none"


def _split() -> str:
    return "split the arm into arms of one change each, `curate study run STUDY.yaml`, then submit again"
