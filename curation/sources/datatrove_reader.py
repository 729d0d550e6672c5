"""Any reader of the installed datatrove by its class name: `reader: datatrove:WarcReader`, or with `args`.

It reads the pool's local files one by one. Its documents' `url`, `date`, `language` and other metadata are kept; its
own ids and `file_path` are not, for they name files. What it skips with a warning, or without one, is counted.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import version as installed_version
from typing import Any

from curation.errors import PluginError, RecipeError, nearest
from curation.pool_spec import DatatroveReader, PoolSpec
from curation.sources.inputs import Input
from curation.sources.records import Placed, RawRecord, Rejected

OURS = frozenset(
    {"data_folder", "paths_file", "limit", "skip", "glob_pattern", "recursive", "shuffle_files", "adapter"}
)
"""Arguments that choose files or documents: the pool's own settings do."""


def reader_version(reader: DatatroveReader) -> str:
    """Return what decides a reader's documents. Raises: RecipeError for an unknown reader or argument."""
    _checked(reader)
    return f"{reader.name}@{installed_version('datatrove')}"


@cache
def _classes() -> Mapping[str, type[Any]]:
    module = import_module("datatrove.pipeline.readers")
    base = import_module("datatrove.pipeline.readers.base").BaseDiskReader
    return {name: item for name, item in vars(module).items() if isinstance(item, type) and issubclass(item, base)}


def _checked(reader: DatatroveReader) -> type[Any]:
    known = _classes()
    name = reader.name.removeprefix("datatrove:").removeprefix("datatrove.")
    if name not in known:
        raise RecipeError(
            f"pool.reader: `{reader.name}`: datatrove {installed_version('datatrove')} has no file reader `{name}`; "
            f"{nearest(name, known)}"
        )
    accepted = set(inspect.signature(known[name].__init__).parameters) - OURS - {"self"}
    wrong = sorted(set(reader.args) - accepted)
    if wrong:
        raise RecipeError(f"pool.reader.args: unknown to `{name}`: {', '.join(wrong)}; {nearest(wrong[0], accepted)}")
    return known[name]


def datatrove_records(item: Input, spec: PoolSpec, on_read: Callable[[int], None]) -> Iterator[tuple[int, object]]:
    """Yield (number from 1, `Placed` record or `Rejected`).

    Raises: PluginError when the reader fails or lacks a package.
    """
    assert spec.reader is not None  # or the container were another
    warnings: list[str] = []
    given = _Counter()
    reader = _made(spec.reader, item)
    reader.adapter = given.counting(reader.adapter)
    logger = import_module("datatrove.utils.logging").logger
    handler = logger.add(lambda message: warnings.append(message.record["message"]), level="WARNING")
    number = 0
    try:
        for document in reader.read_file(item.path.name):
            number += 1
            if document is not None:
                given.taken += 1
                yield number, Placed(_record(document, spec), {"file": item.digest[:16], "record": number})
    except Exception as error:
        raise PluginError(
            f"{item.name}: `{spec.reader.name}` stopped after document {number:,} ({type(error).__name__}: {error}); "
            "mend the file or read it with `pool.format`"
        ) from None
    finally:
        logger.remove(handler)
    on_read(item.stored_bytes())
    skipped = given.asked - given.taken
    for _ in range(skipped):
        number += 1
        yield number, Rejected("no-text", "skipped by the reader")
    for warning in warnings:
        if "without text" not in warning:  # counted above
            number += 1
            yield number, Rejected("reader-warning", warning[:200])


class _Counter:
    """Records that a reader's adapter was asked about, and documents that came of them."""

    def __init__(self) -> None:
        self.asked = self.taken = 0

    def counting(self, adapter: Callable[..., Any]) -> Callable[..., Any]:
        """Return the adapter, counting its calls."""

        def adapt(*args: Any, **kwargs: Any) -> Any:
            self.asked += 1
            return adapter(*args, **kwargs)

        return adapt


def _made(reader: DatatroveReader, item: Input) -> Any:
    try:
        made = _checked(reader)(str(item.path.parent), **reader.args)
        for package in getattr(made, "_requires_dependencies", ()):
            import_module(package if isinstance(package, str) else package[0])
    except ImportError as error:
        raise PluginError(f"pool.reader: `{reader.name}`: {error}; install what it names") from None
    except RecipeError:
        raise
    except Exception as error:
        raise RecipeError(f"pool.reader: `{reader.name}` refuses its arguments: {error}") from None
    return made


def _record(document: Any, spec: PoolSpec) -> RawRecord:
    metadata = {key: value for key, value in document.metadata.items() if key != "file_path"}
    if "language" in metadata and "lang" not in metadata:
        metadata["lang"] = metadata.pop("language")
    own = {spec.id: document.id} if spec.id is not None and spec.id not in metadata else {}
    return {**metadata, **own, spec.text: document.text}
