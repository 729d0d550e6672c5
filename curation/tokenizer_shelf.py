"""Tokenizers of a user's own files, known by content: `file-` and sixteen digits of the file's sha256.

A run names its tokenizer, and a path would mean another file tomorrow. So a file is copied once to the shelf and then
called by its digest. A shelf is a folder: those of `CURATE_TOKENIZERS`, and `tokenizers` in the store (`CURATE_STORE`,
else `./.curate`). A file that was changed there is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from curation.errors import RecipeError
from curation.files import replacing, sha256_file

SHELVES = "CURATE_TOKENIZERS"
_NAME = re.compile(r"file-([0-9a-f]{16})")


def is_shelved_name(name: str) -> bool:
    """Return whether `name` has the form of a shelved tokenizer's."""
    return _NAME.fullmatch(name) is not None


def shelve(path: Path) -> str:
    """Copy a tokenizer's file to the first shelf if it is not there, and return the name that it has from now on.

    Raises: RecipeError if there is no such file.
    """
    if not path.is_file():
        raise RecipeError(f"tokenizer: {path}: no such file, expected a tokenizer.json; mend the path")
    name = f"file-{sha256_file(path)[:16]}"
    place = _shelves()[0] / f"{name}.json"
    if not place.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        with replacing(place) as temporary:
            temporary.write_bytes(path.read_bytes())
    return name


def shelved_path(name: str, where: str) -> Path:
    """Return the file of a shelved tokenizer.

    Raises: RecipeError if no shelf has it, or if it was changed there.
    """
    for folder in _shelves():
        path = folder / f"{name}.json"
        if path.is_file():
            found = sha256_file(path)[:16]
            if f"file-{found}" != name:
                raise RecipeError(f"{path}: its sha256 begins {found}, expected {name[5:]}; copy the file there again")
            return path
    shown = ", ".join(map(str, _shelves()))
    raise RecipeError(
        f"{where}: tokenizer `{name}` is on no shelf ({shown}); name the store that has it: "
        f"export {SHELVES}=STORE/tokenizers"
    )


@contextmanager
def shelf(folder: Path) -> Iterator[None]:
    """Look on this shelf first while inside, here and in processes that are started from here."""
    before = os.environ.get(SHELVES)
    os.environ[SHELVES] = os.pathsep.join(str(one) for one in (folder.resolve(), before) if one)
    try:
        yield
    finally:
        if before is None:
            del os.environ[SHELVES]
        else:
            os.environ[SHELVES] = before


def _shelves() -> list[Path]:
    named = [Path(one) for one in os.environ.get(SHELVES, "").split(os.pathsep) if one]
    return [*named, Path(os.environ.get("CURATE_STORE", ".curate")) / "tokenizers"]
