"""`curate demo`: the study `demo` on the text of this Python environment, from raw files to a page."""

from __future__ import annotations

from curation.bundled import bundled_path
from leaderboard.studies.study import Study, load_study

DEMO_STUDY = "demo.yaml"


def demo_study(overrides: tuple[str, ...] = ()) -> tuple[Study, str]:
    """Return the shipped demo study and where it is from."""
    path = bundled_path("studies", DEMO_STUDY)
    return load_study(path, overrides), str(path)
