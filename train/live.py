"""The live view of a training: a panel on a terminal, a line every half minute elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from curation.console import printable
from curation.files import Json
from curation.progress import LOG_EVERY_SECONDS, Progress, SilentProgress, Task, default_progress
from train.metrics import RunFacts
from train.run_state import CAVEAT, RunState

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.table import Table

BARS = "▁▂▃▄▅▆▇█"
SPARK_WIDTH = 48
REFRESHES_PER_SECOND = 2
MAX_SLICES_SHOWN = 20
MAX_SOURCES_SHOWN = 10
"""Those that were read most often first: the ones whose loss is most likely to be low for that."""
UNKNOWN = "–"


class TrainingView:
    """A listener that shows its run, and the progress of everything around it.

    Training gets the view, every other task what `around` gives it.
    """

    def __init__(self, around: Progress, *, terminal: bool) -> None:
        self.around = around
        self.terminal = terminal
        self.state = RunState(name="")
        self._live: Live | None = None
        self._said = time.monotonic()

    @contextlib.contextmanager
    def task(self, label: str, total: float | None, *, unit: str = "") -> Iterator[Task]:
        """Open the view around a training, the other progress around anything else."""
        if not label.startswith("train "):
            with self.around.task(label, total, unit=unit) as task:
                yield task
            return
        silent = SilentProgress()
        if not self.terminal:
            with silent.task(label, total) as task:
                yield task
            return
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True, highlight=False)
        with Live(console=console, refresh_per_second=REFRESHES_PER_SECOND, get_renderable=self._panel) as live:
            self._live = live
            try:
                with silent.task(label, total) as task:
                    yield task
            finally:
                self._live = None

    def note(self, message: str) -> None:
        """Print one line, above the view if it is open."""
        if self._live is not None:
            self._live.console.print(message, markup=False)
        else:
            self.around.note(message)

    def begin(self, facts: RunFacts, rows: Sequence[Mapping[str, Json]]) -> None:
        """Show a run from the rows that it has."""
        self.state = RunState(name=facts.name)
        self.state.add_telemetry({
            "kind": "start", "steps": facts.steps, "batch_tokens": facts.batch_tokens,
            "tier": facts.tier, "seed": facts.seed,
        })  # fmt: skip
        for row in rows:
            self.state.add_row(row)

    def row(self, row: Mapping[str, Json], telemetry: Mapping[str, Json]) -> None:
        """Show a new row."""
        self.state.add_row(row)
        self.state.add_telemetry(telemetry)
        if not self.terminal and time.monotonic() - self._said >= LOG_EVERY_SECONDS:
            self._say()

    def end(self) -> None:
        """Say where it ended, where lines are said."""
        if not self.terminal and self.state.row:
            self._say()

    def _say(self) -> None:
        self._said = time.monotonic()
        print(progress_line(self.state), file=sys.stderr, flush=True)

    def _panel(self) -> RenderableType:
        return panel(self.state, "running")


def training_view(*, quiet: bool) -> TrainingView | None:
    """Return the view that fits stderr; None if nothing is to be said."""
    if quiet:
        return None
    return TrainingView(default_progress(quiet=False), terminal=sys.stderr.isatty())


def sparkline(values: Sequence[float], width: int = SPARK_WIDTH) -> str:
    """Return the values as bars of eight heights, each the mean of its part, lowest to highest of those shown."""
    if not values:
        return ""
    width = min(width, len(values))
    cuts = [len(values) * number // width for number in range(width + 1)]
    means = [sum(values[low:high]) / (high - low) for low, high in pairwise(cuts)]
    low, high = min(means), max(means)
    if high == low:
        return BARS[0] * width
    return "".join(BARS[round((mean - low) / (high - low) * (len(BARS) - 1))] for mean in means)


def progress_line(state: RunState) -> str:
    """Return where the run is, in one line."""
    row, speed = state.row, state.speed
    parts = [
        f"{state.name}: step {row['step']:,}{_of(state)}",
        f"loss {_number(row.get('loss'), '.4f')}",
        f"{_number(speed.get('tokens_per_second'), ',.0f')} tokens/s",
        f"{_duration(state.seconds_left)} left",
    ]
    return ", ".join(parts)


def panel(state: RunState, status: str) -> RenderableType:
    """Return the whole view."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    title = f"{state.name}  {state.start.get('tier', '')} seed {state.start.get('seed', '?')}: {status}"
    if not state.row:
        return Panel(Text("no step yet"), title=printable(title))
    inside = Group(_numbers(state), _slices(state), *_sources(state), Text(CAVEAT, style="dim"))
    return Panel(inside, title=printable(title), title_align="left")


def _numbers(state: RunState) -> Table:
    from rich.table import Table

    row, speed = state.row, state.speed
    noise = row.get("gns") or {}
    table = Table.grid(padding=(0, 2))
    for left, right in (
        ("step", f"{row['step']:,}{_of(state)}   {row['tokens']:,} tokens   {_duration(state.seconds_left)} left"),
        ("loss", f"{_number(row.get('loss'), '.4f')} nats a token   {sparkline([loss for _, loss in state.losses])}"),
        ("gradient", f"norm {_number(row.get('grad_norm'), '.3f')}   learning rate {row['learning_rate']:.3g}"),
        ("speed", _speed_text(state)),
        ("memory", f"{_bytes(speed.get('rss_bytes'))} host   {_bytes(speed.get('device_peak_bytes'))} device"),
        (
            "noise scale",
            f"{_number(noise.get('b_simple_tokens'), ',.0f')} tokens after {noise.get('measurements', 0):,} "
            f"measurements   batch {row.get('batch_tokens', 0):,} = "
            f"{row.get('accumulation', '?')} × {row.get('micro_batch_tokens', 0):,}",
        ),
        ("spikes", _spike_text(row)),
        ("validation", _validation_text(state)),
    ):
        table.add_row(left, right)
    return table


def _speed_text(state: RunState) -> str:
    speed = state.speed
    if speed.get("mfu") is None:
        share = "MFU – (no peak is declared for this device)" if speed else "MFU –"
    else:
        share = f"MFU {speed['mfu']:.1%}   causal {speed['mfu_causal']:.1%}"
    return f"{_number(speed.get('tokens_per_second'), ',.0f')} tokens/s   {share}"


def _spike_text(row: Mapping[str, Json]) -> str:
    score = row.get("spike_score")
    text = f"score {_number(score if isinstance(score, float) else None, '.2%')}   {row.get('spikes', 0)} so far"
    skipped = row.get("skipped_steps", 0)
    if skipped:
        text += f"   {skipped} steps skipped"
    if row.get("sustained_spike_since") is not None:
        text += f"   LOSS ABOVE ITS LEVEL since step {row['sustained_spike_since']}"
    return text + ("   DIVERGED" if row.get("diverged") else "")


def _validation_text(state: RunState) -> str:
    found = state.validation
    if not found:
        return "not yet"
    return f"{_number(found.get('mean_bpb'), '.4f')} bits per byte at step {found['step']:,}, mean of a fixed subset"


def _slices(state: RunState) -> Table:
    from rich.table import Table

    losses = state.slice_losses
    epochs = state.row.get("epochs_by_slice") or {}
    bpb = state.validation.get("bpb") or {}
    table = Table(box=None, padding=(0, 2))
    for column in ("slice", "training loss", "epochs", "validation bpb"):
        table.add_column(column, justify="left" if column == "slice" else "right")
    names = sorted({*epochs, *bpb})
    for name in names[:MAX_SLICES_SHOWN]:
        table.add_row(
            printable(name),
            _number(losses.get(name), ".4f"),
            _number(epochs.get(name), ".2f"),
            _number(bpb.get(name), ".4f"),
        )
    if len(names) > MAX_SLICES_SHOWN:
        table.add_row(f"and {len(names) - MAX_SLICES_SHOWN} more", "", "", "")
    return table


def _sources(state: RunState) -> list[RenderableType]:
    """Return a table of sources if there are several."""
    from rich.table import Table

    losses, epochs = state.source_losses, state.row.get("epochs_by_source") or {}
    if len(epochs) < 2:
        return []
    table = Table(box=None, padding=(0, 2))
    for column in ("source", "training loss", "epochs"):
        table.add_column(column, justify="left" if column == "source" else "right")
    names = sorted(epochs, key=lambda name: (-epochs[name], name))
    for name in names[:MAX_SOURCES_SHOWN]:
        table.add_row(printable(name), _number(losses.get(name), ".4f"), _number(epochs[name], ".2f"))
    if len(names) > MAX_SOURCES_SHOWN:
        table.add_row(f"and {len(names) - MAX_SOURCES_SHOWN} more", "", "")
    return [table]


def _of(state: RunState) -> str:
    if state.steps is None:
        return ""
    return f"/{state.steps:,} ({state.row['step'] / state.steps:.0%})"


def _number(value: float | None, form: str) -> str:
    return UNKNOWN if value is None else format(value, form)


def _bytes(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value / 1e9:.2f} GB"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return UNKNOWN
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
