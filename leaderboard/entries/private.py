"""What must not leave a machine: absolute paths, names of users and hosts, secrets; and text of documents.

`Scrubber.clean` takes them out of what is written into an entry; `Scrubber.faults` finds them in what was written,
whoever wrote it. Both know the same: paths from the root or a home, the home, user and host of this process, values of
environment variables that sound secret, and the forms of common access tokens.
"""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from curation.files import Json

PATH_MARK, PRIVATE_MARK, SECRET_MARK = "<path>", "<private>", "<secret>"
_PATHS = re.compile(
    r"(?<![\w.:/@-])(?:~[\w.-]*/|/(?:[^\s/'\",;:<>|*?()\[\]{}]+/)+|[A-Za-z]:\\|\\\\[\w.-]+\\|file://+)[^\s'\",;<>|()\[\]{}]*"
)
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@\"',;\\<>]+@")
_TOKENS = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|sk-[A-Za-z0-9_-]{20,}|AKIA[0-9A-Z]{16}"
    r"|xox[abprs]-[\w-]{10,}|glpat-[\w-]{16,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{5,})"
)
_SECRET_NAMES = re.compile(r"TOKEN|SECRET|PASSW|API_?KEY|ACCESS_?KEY|PRIVATE|CREDENTIAL|AUTH", re.IGNORECASE)
_COMMON = frozenset(
    "root user admin ubuntu runner home work data local localhost build test tests code main host node server docs "
    "base model tiny micro nano pico small".split()
)
"""Words that may be somebody's login and mean nothing."""
MIN_PRIVATE = 4
TEXT_KEYS = frozenset({"samples", "text", "excerpt", "excerpts", "snippet", "examples", "url", "urls", "content"})
"""Keys of results under which documents stand."""
_COUNT_PARTS = frozenset({"reports", "detectors", "suites", "tasks", "facts"})
_COUNT_WORDS = frozenset({"suite", "detector", "precision", "division", "name", "state", "checked"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrubber:
    """What is private on this machine."""

    words: tuple[str, ...]
    """Home, user and host."""
    secrets: tuple[str, ...]
    """Values of environment variables."""

    @classmethod
    def here(cls, environ: Mapping[str, str] | None = None) -> Scrubber:
        """Return what this process knows to be private."""
        held = os.environ if environ is None else environ
        host = socket.gethostname()
        words = [str(Path.home()), _user(), host, host.partition(".")[0]]
        kept = {word for word in words if len(word) >= MIN_PRIVATE and word.lower() not in _COMMON}
        secrets = {value for name, value in held.items() if _SECRET_NAMES.search(name) and len(value) >= 8}
        return cls(words=tuple(sorted(kept, key=len, reverse=True)), secrets=tuple(sorted(secrets, key=len)))

    def clean(self, text: str) -> str:
        """Return `text` with everything private replaced by marks."""
        for secret in self.secrets:
            text = text.replace(secret, SECRET_MARK)
        text = _TOKENS.sub(SECRET_MARK, _CREDENTIALS.sub("", text))
        text = _PATHS.sub(PATH_MARK, text)
        for word in self.words:
            text = re.sub(rf"(?<![\w]){re.escape(word)}(?![\w])", PRIVATE_MARK, text)
        return text

    def clean_json(self, value: Json) -> Json:
        """Return JSON with every string cleaned, keys too."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, Mapping):
            return {self.clean(key): self.clean_json(item) for key, item in value.items()}
        if isinstance(value, Sequence):
            return [self.clean_json(item) for item in value]
        return value

    def faults(self, text: str) -> list[str]:
        """Return what is private in a text file, without repeating secrets."""
        found = [f"an absolute path (`{match.group()[:40]}`)" for match in _PATHS.finditer(text)][:1]
        found += ["an access token"] if _TOKENS.search(text) else []
        found += ["the value of a secret environment variable"] if any(item in text for item in self.secrets) else []
        found += ["credentials in an address"] if _CREDENTIALS.search(text) else []
        for word in self.words:
            if re.search(rf"(?<![\w]){re.escape(word)}(?![\w])", text):
                found.append("the home, user or host name of this machine")
                break
        return found


def without_text(value: Json) -> Json:
    """Return JSON without what stands under `TEXT_KEYS`; lists there become empty."""
    if isinstance(value, Mapping):
        kept = {key: item for key, item in value.items() if key not in TEXT_KEYS}
        empty: dict[str, Json] = {key: [] for key in value if key in TEXT_KEYS and isinstance(value[key], list)}
        return {**{key: without_text(item) for key, item in kept.items()}, **empty}
    if isinstance(value, list | tuple):
        return [without_text(item) for item in value]
    return value


def counts_only(value: Json) -> Json:
    """Return a contamination report's numbers and the names of suites and detectors, nothing about documents."""
    if isinstance(value, Mapping):
        kept: dict[str, Json] = {}
        for key, item in value.items():
            if isinstance(item, bool | int | float) or item is None or (isinstance(item, str) and key in _COUNT_WORDS):
                kept[key] = item
            elif key in _COUNT_PARTS:
                kept[key] = counts_only(item)
        return kept
    if isinstance(value, list | tuple):
        return [counts_only(item) for item in value]
    return value


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
