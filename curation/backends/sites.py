"""Site profiles: what a cluster is called, how its partitions are asked for, how its nodes find the environment.

A profile is `~/.config/curate/sites/NAME.yaml` (`XDG_CONFIG_HOME` is honoured) or a YAML file named by its path.
`docs/backends.md` has an example of every field.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from curation.errors import RecipeError, nearest
from curation.files import Json
from curation.recipe import Spec, as_json, validate
from curation.yamlio import load_yaml

_TIME = re.compile(r"(\d+-)?\d{1,2}(:\d{2}){0,2}|\d+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _time(value: str) -> str:
    if not _TIME.fullmatch(value):
        raise ValueError(f"`{value}` is no time limit of Slurm; expected HH:MM:SS, D-HH:MM:SS or minutes")
    return value


def _absolute(value: str | None) -> str | None:
    if value is not None and not value.startswith(("/", "$")):
        raise ValueError(f"`{value}` is relative; expected an absolute path, or one that begins with a $VARIABLE")
    return value


Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@:+-]{0,127}$")]
"""A word that becomes an option of sbatch: no spaces, no shell characters."""


class Partition(Spec):
    """How one kind of job is asked for."""

    partition: Word | None = None
    """None is the cluster's default."""
    account: Word | None = None
    """None is the profile's."""
    qos: Word | None = None
    time: Annotated[str, AfterValidator(_time)] = "04:00:00"
    """Limit of one job."""
    cpus: int = Field(default=1, ge=1)
    memory_gb: int = Field(default=4, ge=1)
    """Memory of one job."""
    gpus: int = Field(default=0, ge=0)
    card: Word = "h200"
    """Model of those GPUs, for how many small runs of a study share one (docs/cluster.md)."""
    jobs: int = Field(default=64, ge=1)
    """Jobs of one array at most; parts are dealt to them."""
    options: dict[Word, str | int | None] = Field(default_factory=dict)
    """Further options of sbatch, without their dashes: `constraint: x86`."""


class Site(Spec):
    """One cluster."""

    scheduler: Literal["slurm", "ray"] = "slurm"
    account: Word | None = None
    cpu: Partition = Partition()
    gpu: Partition | None = None
    """None where the site has no GPUs."""
    environment: str = ""
    """Shell lines that a job runs first: `source /shared/curate/.venv/bin/activate`."""
    variables: dict[Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")], str] = Field(default_factory=dict)
    """Environment variables of every job."""
    scratch: Annotated[str | None, AfterValidator(_absolute)] = None
    """Fast local disk of a node, for temporary files (TMPDIR)."""
    offline: bool = False
    """Compute nodes have no network: nothing is asked of the Hub."""
    ray_address: str = "auto"
    wait_seconds: int = Field(default=86_400, ge=1)
    """How long nothing may run before the build gives up, cancels and exits with 3."""
    poll_seconds: float = Field(default=10.0, gt=0)
    retries: int = Field(default=1, ge=0)
    """How often shards whose worker died without an error are submitted again."""

    def account_of(self, partition: Partition) -> str | None:
        """Return the account that jobs of this partition are charged to."""
        return partition.account or self.account

    def job_variables(self) -> dict[str, str]:
        """Return the environment variables that jobs get."""
        offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        return {**(offline if self.offline else {}), **self.variables}

    def preamble(self) -> str:
        """Return the shell lines that open a job: the environment, the variables, the scratch folder."""
        lines = [self.environment.strip()] if self.environment.strip() else []
        lines += [f"export {name}={shlex.quote(value)}" for name, value in self.job_variables().items()]
        if self.scratch is not None:
            lines.append(f'mkdir -p "{self.scratch}" && export TMPDIR="{self.scratch}"')
        return "\n".join(lines)


def sites_folder() -> Path:
    """Return where profiles lie."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "curate" / "sites"


def load_site(name: str) -> Site:
    """Return the profile called `name`, or the one in the YAML file of that path.

    Raises: RecipeError for an unknown name (with those there are) or for a file with faults, all of them listed.
    """
    path = Path(name)
    if not name.endswith((".yaml", ".yml")):
        folder = sites_folder()
        known = sorted(file.stem for file in folder.glob("*.yaml"))
        if not _NAME.fullmatch(name) or name not in known:
            raise RecipeError(
                f"site `{name}`: no profile {folder / '<NAME>.yaml'} of that name; {_hint(name, known)}; "
                "write one as docs/backends.md shows, or give the path of a YAML file"
            )
        path = folder / f"{name}.yaml"
    value = load_yaml(path)
    if not isinstance(value, dict):
        raise RecipeError(f"{path}: holds {type(value).__name__}, expected a mapping; docs/backends.md has an example")
    site: Site = validate(Site, value, str(path))
    if site.scheduler == "ray" and site.gpu is not None and site.gpu.partition is not None:
        raise RecipeError(f"{path}: gpu.partition: Ray has no partitions; leave it out")
    return site


def _hint(name: str, known: list[str]) -> str:
    return nearest(name, known) if known else "there are none"


def site_json(site: Site) -> dict[str, Json]:
    """Return a profile with every default filled in."""
    return as_json(site)
