"""L1: are these runs new? Scores copied under another run's name fail; a study whose runs stand in another is flagged.

Every training has its own noise, so two runs never score a panel byte for byte alike. Studies may share runs (a
baseline, an arm that is asked again beside others); one that adds none would give the same numbers a second place, and
its submitter a second look (rule 10).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from leaderboard.entries.checks import Check, Subject, verdict
from leaderboard.entries.manifest import Manifest

NAME = "repeated"
REMEDY = "keep the first entry, or withdraw it: `curate leaderboard retract ENTRY --reason TEXT`"


def repeated_check(subject: Subject) -> Check:
    """Check that runs are what they are called, and that an entry brings a run that no other has."""
    faults = list(_copied(subject))
    if faults:
        return verdict(NAME, faults, "", remedy="`curate study run STUDY.yaml`, then submit that")
    mine = _trained(subject.manifest)
    for other, folder in subject.references:
        if other.study.fingerprint != subject.manifest.study.fingerprint and mine and mine <= _trained(other):
            text = f"all its runs are those of {folder.name}, a study of another name"
            return Check(name=NAME, level=1, state="flag", text=text, remedy=REMEDY)
    return verdict(NAME, [], "it brings runs of its own")


def _copied(subject: Subject) -> Iterator[str]:
    """Yield runs with the very bytes of another run's scores."""
    seen: dict[str, tuple[str, str]] = {}
    for other, folder in subject.references:
        for digest, (fingerprint, label) in _scores(other).items():
            seen.setdefault(digest, (fingerprint, f"{label} of {folder.name}"))
    own: dict[str, tuple[str, str]] = {}
    for run, digest in _by_run(subject.manifest):
        known = own.get(digest) or seen.get(digest)
        if known and known[0] != run[0]:
            yield f"{run[1]} has the very scores of {known[1]}, another run"
        own.setdefault(digest, run)


def _by_run(manifest: Manifest) -> Iterator[tuple[tuple[str, str], str]]:
    hashes = {facts.path: facts.sha256 for facts in manifest.files}
    for run in manifest.runs:
        if run.documents in hashes:
            yield (run.fingerprint, run.label), hashes[str(run.documents)]


def _scores(manifest: Manifest) -> Mapping[str, tuple[str, str]]:
    return {digest: run for run, digest in _by_run(manifest)}


def _trained(manifest: Manifest) -> set[str]:
    return {run.fingerprint for run in manifest.runs if run.role == "arm"}
