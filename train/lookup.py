"""Artifacts as commands name them: a directory, or the beginning of a name in the store."""

from __future__ import annotations

from pathlib import Path

from curation.errors import RunError, nearest
from curation.progress import Progress, SilentProgress
from curation.store import Artifact, Store, load_artifact


def find_artifact(store: Store, name: str, kind: str) -> Artifact:
    """Return the artifact of `kind` in directory `name`, or the one whose name in the store begins with it.

    Raises: RunError if there is none or more than one.
    """
    if Path(name).is_dir():
        found = load_artifact(Path(name))
        if found.kind == "tokens" and kind == "corpus":
            raise RunError(
                f"{name}: holds token streams without the shares of a recipe, expected a corpus; make one of the same "
                f"files with `curate build --pool FILES` and train on that, or read the streams "
                f"yourself (`curate show {name}`)"
            )
        if found.kind != kind:
            raise RunError(f"{name}: holds a {found.kind}, expected a {kind}; see `curate show {name}`")
        return found
    known = {path.parent.name: path.parent for path in sorted(store.root.glob(f"{kind}-*/manifest.json"))}
    matches = [path for key, path in known.items() if key.startswith((name, f"{kind}-{name}"))]
    if len(matches) != 1:
        problem = f"{len(matches)} artifacts match" if matches else f"no such {kind}"
        raise RunError(f"{name}: {problem} in {store.root}; {nearest(name, known)}")
    return load_artifact(matches[0])


def find_panel(store: Store, name: str, progress: Progress | None = None) -> Artifact:
    """Return the panel that `name` names; of a corpus its own panel; of files or Paloma's folder an external one.

    Raises: CurateError if there is none or more than one, the store lacks a corpus' panel, or the panel is not what its
    digest says.
    """
    from curation.panel_check import find_any_panel

    return find_any_panel(store, name, progress or SilentProgress())


def panel_of(store: Store, corpus: Artifact) -> Artifact:
    """Return the panel that was split off before the corpus was made. Raises: CurateError if the store lacks it."""
    from curation.panel_check import panel_of as found

    return found(store, corpus)
