"""Sending a run's rows to trackio or Weights & Biases: off unless asked for, never a dependency, changes no result.

`curate train --track trackio` or `wandb`, or the environment variable CURATE_TRACK for runs that a study starts. Where
and how they store is their own affair and configured in their own way (`WANDB_MODE=offline`, `TRACKIO_SPACE_ID`). The
numbers of each metrics row go out under names like `loss_by_slice/web`, those of the telemetry under `telemetry/`.
A run that goes on from a checkpoint continues the tracked run of its name; rows sent before are not sent again.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from curation.errors import PluginError, RunError, nearest
from curation.files import Json
from train.metrics import Listener, RunFacts

TRACK = "CURATE_TRACK"
"""Environment variable: the tracker of every run that does not name one."""
PROJECT = "CURATE_TRACK_PROJECT"
"""Environment variable: the project that runs are filed under; `curate` unless set."""
TRACKERS = ("trackio", "wandb")


class Tracked:
    """A listener that passes rows on to a tracker; a tracker that fails is left alone from then on."""

    def __init__(self, name: str, library: Any, say: Callable[[str], None]) -> None:
        self.name = name
        self.library = library
        self.say = say
        self._open = False
        self._sent = 0

    def begin(self, facts: RunFacts, rows: Sequence[Mapping[str, Json]]) -> None:
        """Open, or continue, the tracked run.

        Raises: RunError if the tracker refuses.
        """
        self._sent = max(self._sent, int(str(rows[-1]["step"])) if rows else 0)
        if self._open:
            return
        config = {"tier": facts.tier, "seed": facts.seed, "steps": facts.steps, "batch_tokens": facts.batch_tokens}
        options: dict[str, Any] = {"project": os.environ.get(PROJECT, "curate"), "name": facts.name, "config": config}
        if self.name == "wandb":
            options["id"] = facts.name
        try:
            with contextlib.redirect_stdout(sys.stderr):  # stdout is for results
                self.library.init(**options, resume="allow")
        except Exception as error:
            raise RunError(f"--track {self.name}: it does not start ({type(error).__name__}: {error}); "
                           "configure it as its manual says, or leave --track out") from None  # fmt: skip
        self._open = True

    def row(self, row: Mapping[str, Json], telemetry: Mapping[str, Json]) -> None:
        """Send the numbers of a row."""
        step = int(str(row["step"]))
        if not self._open or step <= self._sent:
            return
        self._sent = step
        sent = {**numbers(row), **numbers(telemetry, "telemetry/")}
        del sent["step"]  # the trackers' own word
        self._do(lambda: self.library.log(sent, step=step))

    def end(self) -> None:
        """Close the tracked run."""
        if self._open:
            self._do(self.library.finish)
            self._open = False

    def _do(self, act: Callable[[], object]) -> None:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                act()
        except Exception as error:  # a fault of whatever kind in a stranger's library must not end a training
            self._open = False
            self.say(f"--track {self.name}: stopped tracking ({type(error).__name__}: {error}); the run goes on")


def tracker(name: str, say: Callable[[str], None]) -> Listener:
    """Return the listener that sends rows to the tracker `name`; `say` tells the user when it fails.

    Raises: RunError for an unknown name, PluginError if the package is not installed.
    """
    if name not in TRACKERS:
        raise RunError(
            f"--track: unknown tracker `{name}`, expected {' or '.join(TRACKERS)}; {nearest(name, TRACKERS)}"
        )
    if find_spec(name) is None:
        raise PluginError(f"--track {name}: the package `{name}` is not installed, and curate does not depend on it; "
                          f"install it with `pip install {name}`, or leave --track out")  # fmt: skip
    return Tracked(name, importlib.import_module(name), say)


def trackers(name: str | None, say: Callable[[str], None]) -> tuple[Listener, ...]:
    """Return the tracker asked for by name or by `CURATE_TRACK`, if any."""
    chosen = name or os.environ.get(TRACK, "")
    return (tracker(chosen, say),) if chosen else ()


def numbers(row: Mapping[str, Json], prefix: str = "") -> dict[str, float]:
    """Return the numbers of a row by path; lists, texts and what is unknown are left out."""
    found: dict[str, float] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            found |= numbers(value, f"{prefix}{key}/")
        elif isinstance(value, int | float):
            found[f"{prefix}{key}"] = value
    return found
