"""Signs of life of ranks: each touches a file while it works, the driver sees it change; no clocks are compared."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from curation.backends.attempts import ALIVE, Attempt
from curation.backends.shards import REPORTS, failure_path

EVERY_SECONDS = 5.0


@contextlib.contextmanager
def giving_signs(path: Path) -> Iterator[None]:
    """Touch `path` every few seconds while the block runs."""
    path.touch()
    ended = threading.Event()

    def beat() -> None:
        count = 0
        while not ended.wait(EVERY_SECONDS):
            count += 1
            with contextlib.suppress(OSError):
                path.write_text(str(count))

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@dataclass(slots=True)
class SignsOfLife:
    """What the driver has seen of an attempt's ranks."""

    attempt: Attempt
    seen: dict[str, tuple[int, int]] = field(default_factory=dict)

    def look(self) -> bool:
        """Return whether anything changed since the last look: a sign, a report, a failure."""
        now = {path.name: (path.stat().st_mtime_ns, path.stat().st_size) for path in self._signs()}
        now["reports"] = (self.attempt.num_reports(), 0)
        changed = now != self.seen
        self.seen = now
        return changed

    def waits(self) -> bool:
        """Return whether some part has neither a report nor a failure."""
        return any(not self._over(part) for tasks in self.attempt.ranks() for part in (task.part for task in tasks))

    def begun_not_ended(self) -> bool:
        """Return whether a rank that once began still owes a part."""
        ranks = self.attempt.ranks()
        begun = {int(path.name.partition("-")[0]) for path in self._signs()}
        return any(not self._over(task.part) for rank in begun for task in ranks[rank])

    def _signs(self) -> list[Path]:
        return sorted((self.attempt.folder / ALIVE).iterdir())

    def _over(self, part: int) -> bool:
        reported = any((self.attempt.folder / REPORTS).glob(f"{part:05d}-*.json"))
        return reported or failure_path(self.attempt.folder, part).is_file()
