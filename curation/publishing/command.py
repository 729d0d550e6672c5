"""`curate publish`: a corpus to a directory, a bucket or the Hub; the manifest goes last."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curation.console import DryRunFlag, JsonFlag, QuietFlag, StoreOption, give, printable, progress_for
from curation.errors import CurateError
from curation.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console

    from curation.publishing.remote import Sent
    from curation.recipe import Recipe
    from curation.store import Artifact, Store


def publish_command(
    corpus: Annotated[str, typer.Argument(help="Corpus: a directory, or its name in the store.")],
    target: Annotated[
        str, typer.Argument(help="Directory, s3://BUCKET/PREFIX, gs://… or hf://datasets/ORG/NAME[@BRANCH].")
    ],
    removed: Annotated[bool, typer.Option("--removed", help="What the stages dropped too, with the reasons.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Put it in the place of another corpus there.")] = False,
    licence_ok: Annotated[
        list[str],
        typer.Option("--licence-ok", metavar="NAME", help="Send documents of this licence; repeatable, or `all`."),
    ] = [],  # noqa: B006 - typer copies the default
    store: StoreOption = None,
    dry_run: DryRunFlag = False,
    json_output: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Publish a corpus: data first, every file read back and compared, the manifest last; killed, it goes on.

    Credentials come from the environment alone. Nothing there is a corpus before its manifest is.
    """
    from curation.publish import publish, refuse_foreign, refuse_other
    from curation.publishing.places import is_remote
    from curation.store import Store

    opened = Store.open(store)
    found = _corpus(opened, corpus)
    value: dict[str, Any] = {"corpus": found.fingerprint, "target": target, "dry_run": dry_run}
    if is_remote(target):
        progress = progress_for(quiet=quiet)
        sent = publish_remote(
            found, None, target, store=opened, removed=removed, replace=replace, accepted=licence_ok, dry_run=dry_run,
            progress=progress,
        )  # fmt: skip
        value |= sent.as_json()
    else:
        refuse_foreign(Path(target))
        refuse_other(Path(target), found.fingerprint)
        if not dry_run:
            publish(found, None, Path(target), store=opened, removed=removed, progress=progress_for(quiet=quiet))
    give(value, lambda console: _draw(console, value), as_json=json_output)


def publish_remote(
    corpus: Artifact,
    recipe: Recipe | None,
    target: str,
    *,
    store: Store,
    removed: bool,
    replace: bool,
    accepted: Sequence[str],
    progress: Progress,
    dry_run: bool = False,
) -> Sent:
    """Send a corpus with its card to an address; what goes beside the artifact is made again, the same each time.

    Raises: RemoteError if the place refuses, holds something else, or licences do not let documents be given on;
    IncompleteError if the connection breaks.
    """
    from curation.publish import CARD, extras
    from curation.publishing.described import describe
    from curation.publishing.places import open_place
    from curation.publishing.remote import plan, refuse_closed, send
    from curation.store import LOCK

    remote = open_place(target)
    refuse_closed(describe(corpus).licenses, accepted)
    with tempfile.TemporaryDirectory(dir=store.root, prefix=".tmp-publish-") as staged:
        published = (corpus.path / CARD).is_file()  # its own card, recipe and sample go along as they are
        if not published or removed:
            extras(corpus, recipe, Path(staged), store=store, removed=removed, progress=progress)
        files: dict[str, Path] = {}
        for folder in (corpus.path, Path(staged)):
            for path in sorted(folder.rglob("*")):
                name = path.relative_to(folder).as_posix()
                if path.is_file() and name != LOCK and not path.name.startswith(".tmp-"):
                    files[name] = path
        if dry_run:
            return plan(remote, files, corpus.fingerprint, replace=replace)
        return send(remote, files, corpus.fingerprint, replace=replace, progress=progress)


def _corpus(store: Store, name: str) -> Artifact:
    from curation.documents_argument import named_artifact

    found = named_artifact(name, store, ("corpus",))
    if found is None or found.kind != "corpus":
        what = f"is a {found.kind}" if found else f"is no corpus here or in {store.root}"
        raise CurateError(f"{name}: {what}, expected a corpus; build one, or see `curate show`")
    return found


def _draw(console: Console, value: Mapping[str, Any]) -> None:
    would = "would be " if value["dry_run"] else ""
    if "sent" in value:
        for key in ("sent", "kept", "removed"):
            for path in value[key] if value["dry_run"] else ():
                console.print(f"{key}: {printable(path)}", markup=False, soft_wrap=True)
        console.print(
            f"{len(value['sent'])} files, {value['bytes'] / 1e6:,.1f} MB {would}sent, "
            f"{len(value['kept'])} already there, {len(value['removed'])} {would}removed",
            markup=False,
        )
    console.print(f"corpus {value['corpus'][:8]} {would}published to {printable(value['target'])}", soft_wrap=True)
