"""The `--out` of a build: nothing, a directory or an address; refused before the build, filled after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from curation.progress import Progress
from curation.publish import publish, refuse_foreign, refuse_other
from curation.publishing.command import publish_remote
from curation.publishing.places import is_remote, open_place
from curation.recipe import Recipe
from curation.store import Artifact, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Out:
    """Where a corpus goes, and with what."""

    folder: Path | None
    address: str | None
    removed: bool
    accepted: Sequence[str]
    """Licences that the user answers for."""

    def refuse_other(self, fingerprint: str) -> None:
        """Raise RecipeError if the directory holds another corpus."""
        if self.folder is not None:
            refuse_other(self.folder, fingerprint)

    def publish(self, corpus: Artifact, recipe: Recipe, store: Store, progress: Progress) -> None:
        """Publish the corpus there; nothing without a place."""
        if self.folder is not None:
            publish(corpus, recipe, self.folder, store=store, removed=self.removed, progress=progress)
        elif self.address is not None:
            publish_remote(
                corpus,
                recipe,
                self.address,
                store=store,
                removed=self.removed,
                replace=False,
                accepted=self.accepted,
                progress=progress,
            )


def out_of(out: str | None, *, removed: bool, accepted: Sequence[str]) -> Out:
    """Return what `--out` means.

    Raises: CurateError if it cannot be a corpus: a wrong address, a file, a directory of something else.
    """
    address = out if out is not None and is_remote(out) else None
    folder = Path(out) if out is not None and address is None else None
    if address is not None:
        open_place(address)
    if folder is not None:
        refuse_foreign(folder)
    return Out(folder=folder, address=address, removed=removed, accepted=accepted)
