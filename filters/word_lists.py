"""Lists that the user supplies (domains, words): UTF-8, one entry a line; a line that opens with # is a comment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from curation.errors import RecipeError
from curation.files import digest_json


@dataclass(frozen=True, slots=True, kw_only=True)
class WordList:
    """Entries, stripped, in lower case, sorted, each once; `digest` is over exactly these."""

    entries: tuple[str, ...]
    digest: str


def word_list(entries: list[str]) -> WordList:
    """Return the list of `entries`."""
    unique = sorted({entry.strip().lower() for entry in entries} - {""})
    return WordList(entries=tuple(unique), digest=digest_json(list(unique)))


def read_word_lists(paths: tuple[str, ...], where: str) -> WordList:
    """Return the entries of all files together; no path, no entries. Paths are relative to the working directory.

    Raises: RecipeError if a file cannot be read as UTF-8 text or holds no entry.
    """
    entries: list[str] = []
    for path in paths:
        try:
            lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(
                f"{where}: list {path} cannot be read ({error}); expected UTF-8 text with one entry a line"
            ) from error
        found = [line for line in lines if line.strip() and not line.startswith("#")]
        if not found:
            raise RecipeError(f"{where}: list {path} has no entry; expected one a line (# opens a comment)")
        entries += found
    return word_list(entries)
