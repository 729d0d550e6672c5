"""Ray: ranks as actors through datatrove's executor, on a cluster that runs already; nothing waits for ever.

datatrove's `run` returns normally when a rank failed, waits for ever for resources that no node has, and for a rank
whose inner process was killed. So resources are compared before, and a rank that gives no sign of life is given up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from curation.backends.attempts import Attempt
from curation.backends.signs import SignsOfLife
from curation.backends.sites import Partition, Site
from curation.errors import IncompleteError, SchedulerError

GIGABYTE = 1024**3
SILENT_SECONDS = 60.0
"""Without a sign of life for so long, a rank is dead; it gives one every 5 seconds."""


@dataclass(slots=True, kw_only=True)
class RayLauncher:
    """Runs an attempt on the cluster at the site's address."""

    site: Site
    partition: Partition
    wait_seconds: float
    poll_seconds: float
    silent_seconds: float = SILENT_SECONDS
    name: str = "ray"

    def check(self) -> None:
        """Connect and find a node that can hold one rank."""
        if find_spec("ray") is None:
            raise SchedulerError(
                "--backend ray: the package ray is not installed; pip install 'curate-ladder[ray]', on every node"
            )
        ray = self._connected()
        cpus, memory = self.partition.cpus, self.partition.memory_gb * GIGABYTE
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if not any(node.get("CPU", 0) >= cpus and node.get("memory", 0) >= memory for node in alive):
            has = ", ".join(
                f"{node.get('CPU', 0):g} CPUs and {node.get('memory', 0) / GIGABYTE:.1f} GB" for node in alive
            )
            ray.shutdown()
            raise SchedulerError(
                f"Ray at {self.site.ray_address}: no node has {cpus} CPUs and {self.partition.memory_gb} GB for one "
                f"job, so it would wait for ever; nodes have {has or 'nothing'}; lower `cpu.cpus` or `cpu.memory_gb`, "
                "or add nodes"
            )

    def run(self, attempt: Attempt, watch: Callable[[], None]) -> None:
        """Run all ranks; if the wait ends early, leave Ray, which ends them. Raises: IncompleteError."""
        ray = self._connected()
        executor = self._executor(attempt)
        ended: list[BaseException | None] = []

        def work() -> None:
            try:
                executor.run()
                ended.append(None)
            except BaseException as error:  # told by the reports that are missing
                ended.append(error)

        thread = threading.Thread(target=work, daemon=True, name=attempt.name)
        signs = SignsOfLife(attempt)
        last_life = time.monotonic()
        try:
            thread.start()
            while thread.is_alive():
                thread.join(timeout=min(self.poll_seconds, 1.0))
                watch()
                if signs.look() or not signs.waits():
                    last_life = time.monotonic()
                elif time.monotonic() - last_life > self._limit(signs):
                    if not self._lost(signs):
                        raise IncompleteError(
                            f"{attempt.name}: nothing ran for {self.wait_seconds:,.0f} s (`wait_seconds`): Ray gave no "
                            "place to what waits; it is cancelled; finished shards are kept, the same command continues"
                        )
                    return  # what is missing is submitted again, or named
        finally:
            if thread.is_alive():
                ray.shutdown()

    def cancel(self, attempt: Attempt) -> None:
        """Do nothing: Ray ends a driver's actors when the driver goes."""

    def _limit(self, signs: SignsOfLife) -> float:
        return self.silent_seconds if self._lost(signs) else self.wait_seconds

    def _lost(self, signs: SignsOfLife) -> bool:
        """Return whether silence means death: a rank began and owes parts, or none waits for a place any more.

        The second is an actor that died before its rank began; datatrove then waits for ever.
        """
        from ray.util.placement_group import placement_group_table

        asked = [group["state"] for group in placement_group_table().values()]
        return signs.begun_not_ended() or not any(state in ("PENDING", "PREPARED", "RESCHEDULING") for state in asked)

    def _connected(self) -> Any:
        import logging

        import ray

        if ray.is_initialized():
            return ray
        try:
            ray.init(address=self.site.ray_address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # ConnectionError, ValueError, RuntimeError and errors of its own, by cause
            raise SchedulerError(
                f"Ray at {self.site.ray_address}: cannot be reached ({type(error).__name__}: {error}); start it with "
                "`ray start --head`, or set `ray_address` in the site's profile"
            ) from None
        return ray

    def _executor(self, attempt: Attempt) -> Any:
        from datatrove.executor.ray import RayPipelineExecutor
        from datatrove.utils.logging import logger

        from curation.backends.step import RunRank

        logger.disable("datatrove")
        return RayPipelineExecutor(
            pipeline=[RunRank(str(attempt.folder))],
            tasks=len(attempt.ranks()),
            cpus_per_task=self.partition.cpus,
            mem_per_cpu_gb=self.partition.memory_gb / self.partition.cpus,
            gpus_per_task=self.partition.gpus,
            logging_dir=str(attempt.scheduler),
            skip_completed=False,
        )
