"""Files that ship with the project: recipes, studies, tokenizers; found in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def bundled_path(folder: str, name: str = "") -> Path:
    """Return the path of a shipped file or folder (`recipes`, `studies`)."""
    installed = _PACKAGE / "bundled" / folder
    checkout = _PACKAGE.parent / folder
    return (installed if installed.is_dir() else checkout) / name


def bundled_names(folder: str) -> list[str]:
    """Return the names of the YAML files shipped in `folder`, without suffix, sorted."""
    return sorted(path.stem for path in bundled_path(folder).glob("*.yaml"))
