"""Near copies of the panel in the corpora of a study: counted again on the text, since what they hide is the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from curation.panel_leak import VERSION, panel_leak
from curation.store import Artifact, Store
from leaderboard.entries.checks import Check, Subject, verdict
from leaderboard.entries.manifest import NearCopies


def search_corpora(
    panel: Artifact, corpora: Sequence[Artifact], say: Callable[[str], None] = lambda _: None
) -> NearCopies:
    """Return how many documents of each corpus are near copies of the panel's (rule 1); all documents are searched."""
    found: dict[str, int] = {}
    checked: dict[str, int] = {}
    for corpus in corpora:
        say(f"search corpus {corpus.fingerprint[:8]} for near copies of the panel")
        leak = panel_leak(corpus, panel)
        found[corpus.fingerprint] = max(leak.exact, leak.near)
        checked[corpus.fingerprint] = leak.docs_checked
    return NearCopies(version=VERSION, found=found, checked_docs=checked)


def search_again(subject: Subject, store: Store, say: Callable[[str], None]) -> Check:
    """Check the corpora of an entry that a store holds for near copies of the panel, on their text."""
    named = str(subject.frozen.get("identity", {}).get("panel", ""))
    panel = store.find("panel", named) if named else None
    wanted = sorted({run.corpus for run in subject.manifest.runs if run.corpus})
    corpora = [held for one in wanted if (held := store.find("corpus", one)) is not None] if panel else []
    found = search_corpora(panel, corpora, say).found if panel else {}
    faults = [
        f"corpus {one[:8]} holds {count:,} near copies of panel documents (rule 1)"
        for one, count in found.items()
        if count
    ]
    good = f"{len(corpora)} of {len(wanted)} corpora are in the store, without near copies of the panel"
    remedy = "build the corpora again from the pool: `curate study run STUDY.yaml`, then submit again"
    return verdict("near-copies-again", faults, good, remedy=remedy)
