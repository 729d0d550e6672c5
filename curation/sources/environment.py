"""The source `environment`: text of the installed dependencies and the standard library, the same on every machine.

Files come from the RECORD of allow-listed distributions. What an installer or a machine makes (`__pycache__`, scripts,
RECORD, INSTALLER, direct_url.json, build settings) is left out. It shows that the machinery works; it ranks nothing.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from curation.progress import Progress
from curation.sources.allowed import DISTRIBUTIONS, SKIPPED_STDLIB, STANDARD_LIBRARY, TORCH_HEADERS
from curation.sources.docstrings import module_docstrings
from curation.sources.records import RawRecord, Rejected

COLLECTOR_VERSION = "1"
MAX_FILE_BYTES = 1_000_000
MAX_LINE_CHARS = 20_000
"""Files with a longer line are data or minified."""
ESTIMATED_BYTES = 300_000_000
SHORT_LICENSE_CHARS = 60

_SLICES = {
    "code-python": (".py", ".pyi"),
    "code-cpp": (".h", ".hpp", ".hh", ".c", ".cc", ".cpp", ".cxx", ".cu", ".cuh", ".pyx", ".pxd", ".pxi"),
    "docs": (".md", ".rst"),
    "configuration": (".toml", ".yaml", ".yml", ".json", ".ini", ".cfg"),
    "web-assets": (".js", ".mjs", ".css", ".html"),
}
_SLICE_OF_SUFFIX = {suffix: name for name, suffixes in _SLICES.items() for suffix in suffixes}
_LICENCE = re.compile(r"(licen[cs]es?|copying|notice|copyright)([-_. ].*)?", re.IGNORECASE)
_DOCUMENT = re.compile(
    r"(readme|changes|changelog|history|news|install|authors|contributing|todo|thanks).*", re.IGNORECASE
)
_MACHINE_MADE = re.compile(
    r"_sysconfigdata.*|sitecustomize\.py|usercustomize\.py|cmake_macros\.h|direct_url\.json|build-details\.json"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """A distribution or the standard library: where its files lie and what to call it."""

    name: str
    license: str | None
    files: tuple[tuple[str, Path], ...]
    """(path relative to site-packages, place on this machine), sorted."""
    description: tuple[str, str] | None = None
    """Relative path and text of the description in METADATA."""


def environment_versions() -> list[str]:
    """Return `name==version` of everything the collection is made from; equal lists give equal text."""
    versions = [f"{name}=={found.version.partition('+')[0]}" for name, found in _installed().items()]
    return [*versions, f"python=={platform.python_version()}", f"collector=={COLLECTOR_VERSION}"]


def environment_records(progress: Progress) -> Iterator[RawRecord | Rejected]:
    """Yield a record per text file and per module's docstrings, and a `Rejected` per file that is no fit text."""
    installed = _installed()
    missing = sorted(DISTRIBUTIONS - installed.keys())
    if missing:
        progress.note(f"pool environment: not installed and left out: {', '.join(missing)}")
    for name, found in sorted(installed.items()):
        yield from _records(_distribution(name, found))
    yield from _records(_standard_library())


def collect_descriptions(max_bytes: int) -> list[str]:
    """Return what the environment's distributions say of themselves, by name, up to `max_bytes` of UTF-8.

    These are the longest documents of the slice `docs`, and reading them needs no walk over installed files.
    """
    texts: list[str] = []
    size = 0
    for _, found in sorted(_installed().items()):
        text = _description(found).strip()
        size += len(text.encode("utf-8"))
        if size > max_bytes:
            break
        if text:
            texts.append(text)
    return texts


def _installed() -> dict[str, importlib.metadata.Distribution]:
    found: dict[str, importlib.metadata.Distribution] = {}
    for distribution in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.name or "").lower()
        if name in DISTRIBUTIONS or name == "torch":
            found.setdefault(name, distribution)
    return found


def _distribution(name: str, found: importlib.metadata.Distribution) -> _Origin:
    files: dict[str, Path] = {}
    description = None
    for entry in found.files or []:
        relative = PurePosixPath(entry)
        if relative.is_absolute() or ".." in relative.parts:
            continue  # scripts and shared data, which the installer places
        if name == "torch" and not str(relative).startswith(TORCH_HEADERS):
            continue
        if relative.parts[0].endswith(".dist-info"):
            if relative.name == "METADATA":
                description = (str(relative), _description(found))
            if not _LICENCE.fullmatch(relative.name) and "licenses" not in relative.parts:
                continue
        files[str(relative)] = Path(str(found.locate_file(entry)))
    ordered = tuple(sorted(files.items()))
    return _Origin(name=name, license=_license(found), files=ordered, description=description)


def _standard_library() -> _Origin:
    root = Path(sysconfig.get_path("stdlib"))
    files: dict[str, Path] = {}
    for path in root.rglob("*"):
        relative = path.relative_to(root)
        if not SKIPPED_STDLIB.intersection(relative.parts) and not relative.parts[0].startswith("config-"):
            files[relative.as_posix()] = path
    return _Origin(name=STANDARD_LIBRARY, license="PSF-2.0", files=tuple(sorted(files.items())))


def _records(origin: _Origin) -> Iterator[RawRecord | Rejected]:
    if origin.description is not None and origin.description[1].strip():
        yield _record(origin, origin.description[1], "docs", origin.description[0])
    for relative, path in origin.files:
        slice_name = slice_of(PurePosixPath(relative))
        if slice_name is None or not path.is_file():
            continue
        text = _read(path)
        if isinstance(text, Rejected):
            yield text
            continue
        yield _record(origin, text, slice_name, relative)
        if relative.endswith(".py") and (docstrings := module_docstrings(text)):
            yield _record(origin, docstrings, "docstrings", relative)


def slice_of(relative: PurePosixPath) -> str | None:
    """Return the slice of a file by its name and place, or None for one that is not collected."""
    if "__pycache__" in relative.parts or _MACHINE_MADE.fullmatch(relative.name):
        return None
    suffix = relative.suffix.lower()
    by_suffix = _SLICE_OF_SUFFIX.get(suffix)
    licence_like = _LICENCE.fullmatch(relative.name) or "licenses" in relative.parts[:-1]
    if (
        licence_like
        and by_suffix in (None, "docs")
        and suffix in ("", ".txt", ".md", ".rst", ".apache", ".bsd", ".mit")
    ):
        return "licences"
    if suffix in (".txt", "") and (_DOCUMENT.fullmatch(relative.name) or {"doc", "docs"}.intersection(relative.parts)):
        return "docs"
    return by_suffix


def _read(path: Path) -> str | Rejected:
    raw = path.read_bytes()
    if len(raw) > MAX_FILE_BYTES:
        return Rejected("too-long")
    if b"\0" in raw:
        return Rejected("nul-byte")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return Rejected("invalid-utf8")
    if len(text) > MAX_LINE_CHARS and max(map(len, text.split("\n"))) > MAX_LINE_CHARS:
        return Rejected("long-lines")
    return text


def _record(origin: _Origin, text: str, slice_name: str, relative: str) -> RawRecord:
    return {
        "text": text,
        "source": origin.name,
        "slice": slice_name,
        "license": origin.license,
        "family": origin.name,
        "path": relative,
    }


def _description(found: importlib.metadata.Distribution) -> str:
    metadata = found.metadata
    return str(metadata.get_payload() or metadata.get("Description") or "")  # type: ignore[attr-defined]


def _license(found: importlib.metadata.Distribution) -> str | None:
    metadata = found.metadata
    declared = metadata.get("License-Expression") or metadata.get("License") or ""  # type: ignore[attr-defined]
    if declared and len(declared) <= SHORT_LICENSE_CHARS and "\n" not in declared:
        return str(declared)
    classified = [line for line in metadata.get_all("Classifier") or [] if line.startswith("License ::")]
    return classified[0].rpartition(" :: ")[2] if classified else None
