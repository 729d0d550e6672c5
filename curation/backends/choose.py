"""From `--backend` and `--on` to who runs the passes of a build."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from curation.backends.attempts import BuildSource
from curation.backends.elsewhere import Elsewhere, Launcher, refuse_unwritable
from curation.backends.sites import Partition, Site, load_site
from curation.errors import RecipeError, nearest
from curation.recipe import Recipe, as_json
from curation.registry import Registry
from curation.store import Artifact, Store

LOCAL = "local"

LAUNCHERS: Registry[Callable[..., Launcher]] = Registry(
    "backend",
    {"ray": "curation.backends.ray:RayLauncher", "slurm": "curation.backends.slurm:SlurmLauncher"},
)


def chosen_site(backend: str | None, on: str | None) -> tuple[str, Site]:
    """Return the back end's name and the site's profile; `local` without either option.

    Raises: RecipeError for an unknown back end or profile, or two that contradict each other.
    """
    site = load_site(on) if on is not None else None
    name = backend or (site.scheduler if site else LOCAL)
    if name not in (known := [LOCAL, *LAUNCHERS.names()]):
        raise RecipeError(f"--backend {name}: unknown; {nearest(name, known)}")
    if site is not None and name in ("ray", "slurm") and name != site.scheduler:
        raise RecipeError(
            f"--backend {name}: the site `{on}` has `scheduler: {site.scheduler}`; leave one of the two out"
        )
    return name, site or Site()


def launcher_for(name: str, site: Site) -> Launcher | None:
    """Return the launcher, checked: a job as the site asks for could run now or later. None for `local`.

    Raises: SchedulerError.
    """
    if name == LOCAL:
        return None
    launcher = LAUNCHERS.get(name)(
        site=site, partition=site.cpu, wait_seconds=site.wait_seconds, poll_seconds=site.poll_seconds
    )
    launcher.check()
    return launcher


def elsewhere(launcher: Launcher | None, site: Site, recipe: Recipe, pool: Artifact, store: Store) -> Elsewhere | None:
    """Return who runs the passes of the corpus that `recipe` makes of `pool`; None for this process."""
    if launcher is None:
        return None
    refuse_unwritable(store.root)
    partition: Partition = site.cpu
    return Elsewhere(
        launcher=launcher,
        source=BuildSource(
            recipe=as_json(recipe),
            pool=pool.fingerprint,
            store=str(store.root),
            directory=str(Path.cwd()),
        ),
        jobs=partition.jobs,
        cpus=partition.cpus,
        retries=site.retries,
        poll_seconds=site.poll_seconds,
    )
