"""Versions of a study: whoever edits its words after a run has another study, and the earlier one is still counted.

A study's directory is named after the fingerprint of its words, arms, pool and panel, and nothing in it is changed
afterwards (rule 13). So the versions of a name, or of a hypothesis, lie side by side in the store; how many of them saw
runs before these words were written belongs to the result, as looks do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from curation.errors import StudyError
from curation.files import Json, read_json
from curation.recipe_changes import stage_changes
from curation.store import MANIFEST, Store
from leaderboard.studies.frozen import STUDY_FILE
from leaderboard.studies.results import RESULT_FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """An earlier study of the same name or hypothesis."""

    folder: str
    """Name of its directory in the store."""
    fingerprint: str
    changed: tuple[str, ...]
    """What these words have otherwise: `protect`, `arm mild`, `pool`."""
    num_runs: int
    """Runs of it that exist."""

    @property
    def told(self) -> str:
        """The line for a person."""
        runs = f"{self.num_runs:,} run{'s' if self.num_runs != 1 else ''}"
        return (
            f"{runs} of an earlier version ({self.folder}) exist; changed: {', '.join(self.changed) or 'nothing'}; "
            "it stays as it is, and this is another study"
        )

    def as_json(self) -> dict[str, Json]:
        """Return the version as plain JSON."""
        return {
            "folder": self.folder,
            "fingerprint": self.fingerprint,
            "changed": list(self.changed),
            "num_runs": self.num_runs,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenWords:
    """What a `study.json` holds."""

    folder: Path
    fingerprint: str
    identity: Mapping[str, Any]
    recipes: Mapping[str, Any]


def read_words_of(folder: Path) -> FrozenWords:
    """Return what was frozen in a study's directory.

    Raises: StudyError if there is none, or it is damaged.
    """
    path = folder if folder.name == STUDY_FILE else folder / STUDY_FILE
    try:
        value = cast("Mapping[str, Any]", read_json(path))
        return FrozenWords(
            folder=path.parent,
            fingerprint=str(value["fingerprint"]),
            identity=value["identity"],
            recipes=value["recipes"],
        )
    except OSError as error:
        raise StudyError(
            f"{path}: cannot be read ({error.strerror}), expected the directory of a study that ran; "
            "`curate leaderboard show` lists them"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise StudyError(f"{path}: is no frozen study; it was edited or cut; run the study again") from None


def versions_seen(store: Store, identity: Mapping[str, Any], fingerprint: str) -> tuple[Version, ...]:
    """Return the other frozen studies in the store with the name or the hypothesis of `identity`, by directory.

    A directory that cannot be read is no version; the command that uses it says so.
    """
    words = identity["study"]
    found = []
    for path in sorted(store.root.glob(f"study-*/{STUDY_FILE}")):
        try:
            frozen = read_words_of(path)
        except StudyError:
            continue
        theirs = frozen.identity.get("study", {})
        same = any(theirs.get(key) == words[key] for key in ("name", "hypothesis"))
        if same and frozen.fingerprint != fingerprint:
            version = Version(
                folder=frozen.folder.name,
                fingerprint=frozen.fingerprint,
                changed=tuple(changed_words(frozen.identity, identity)),
                num_runs=_num_runs(store, frozen),
            )
            found.append(version)
    return tuple(found)


def changed_words(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return what differs between two identities of studies, in words: keys of the study, arms, pool, panel."""
    old, new = before.get("study", {}), after.get("study", {})
    changed = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    for part in ("corpora", "trainings"):
        was, now = before.get(part, {}), after.get(part, {})
        changed += [f"arm {name}" for name in sorted({*was, *now}) if was.get(name) != now.get(name)]
    changed += [key for key in ("pool", "panel", "protocol") if before.get(key) != after.get(key)]
    return list(dict.fromkeys(changed))


@dataclass(frozen=True, slots=True, kw_only=True)
class WordChange:
    """One difference between a frozen study and another: where it is, before and after."""

    place: str
    before: Json
    after: Json


def word_changes(before: FrozenWords, identity: Mapping[str, Any], recipes: Mapping[str, Any]) -> list[WordChange]:
    """Return every difference of two studies, arms by what their recipes say; an arm that is not there is None."""
    old, new = before.identity.get("study", {}), identity["study"]
    found = [
        WordChange(place=key, before=old.get(key), after=new.get(key))
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]
    for name in sorted({*before.recipes, *recipes}):
        was, now = before.recipes.get(name), recipes.get(name)
        if was is None or now is None:
            found.append(WordChange(place=f"arm {name}", before=_there(was), after=_there(now)))
            continue
        place = f"arm {name}"
        found += [
            WordChange(
                place=place,
                before=change.before.text() if change.before else "no such stage",
                after=change.after.text() if change.after else "no such stage",
            )
            for change in stage_changes(was["stages"], now["stages"])
        ]
        others = [key for key in ("mix", "panel", "tokenizer", "slice_kinds") if was.get(key) != now.get(key)]
        found += [WordChange(place=f"{place}, {key}", before=was.get(key), after=now.get(key)) for key in others]
    told = {one.place.partition(", ")[0] for one in found}
    rest = [place for place in changed_words(before.identity, identity) if place not in told]
    return found + [WordChange(place=place, before="other content", after="this content") for place in rest]


def _there(recipe: Mapping[str, Any] | None) -> str | None:
    return None if recipe is None else str(recipe.get("name"))


def _num_runs(store: Store, frozen: FrozenWords) -> int:
    """Return how many runs of a study exist: those of its result, or those trained on its corpora."""
    result = frozen.folder / RESULT_FILE
    if result.is_file():
        try:
            return len(cast("Mapping[str, Any]", read_json(result))["runs"])
        except (ValueError, KeyError, TypeError):
            pass  # cut short: the runs themselves are counted
    corpora = set(frozen.identity.get("corpora", {}).values())
    tokens = {str(one["fingerprint"]) for one in _manifests(store, "tokens") if _input(one, "corpus") in corpora}
    return sum(_input(one, "tokens") in tokens for one in _manifests(store, "run"))


def _manifests(store: Store, kind: str) -> Iterator[Mapping[str, Any]]:
    for path in sorted(store.root.glob(f"{kind}-*/{MANIFEST}")):
        try:
            yield cast("Mapping[str, Any]", read_json(path))
        except ValueError:
            continue


def _input(manifest: Mapping[str, Any], name: str) -> str:
    return str(manifest.get("inputs", {}).get(name, ""))
