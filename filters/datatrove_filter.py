"""Any filter of the installed datatrove by its class name: `datatrove:GopherQualityFilter`.

The constructor's arguments are the settings, its defaults the defaults. A filter is used for its verdict alone: what
it writes into a document's text or metadata is thrown away. Its reason is datatrove's, kebab-cased. Runs in Python
under one lock, at datatrove's own speed; our compiled rule sets give the same verdicts faster where there is one.
Filters that draw at random are refused (`random` is ours), and none downloads: see `ASSETS`.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import version as installed_version
from pathlib import Path
from threading import Lock
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from pydantic import create_model

from curation.errors import PluginError, RecipeError, nearest
from curation.files import Json, sha256_file
from curation.nodes import Node, NodeRun
from curation.stages import StageInputs
from filters.base import FilterSettings
from filters.document import Document, Judge, Verdict, run_documents

SCHEME = "datatrove"
REWRITERS = frozenset({"C4QualityFilter"})
"""Filters of datatrove that also change the text."""
REFUSED: Mapping[str, str] = {
    "SamplerFilter": "it draws at random in the order of documents; use the filter `random`",
    "FastTextClassifierFilter": "it keeps a copy of the model by its path alone; use `fasttext:PATH` instead",
    "LambdaFilter": "its setting is a function, which a recipe cannot hold; write a document filter (docs/filters.md)",
}
ASSETS: Mapping[str, str] = {
    "C4BadWordsFilter": "filters/c4_badwords",
    "LanguageFilter": "lid/{backend}",
    "UnigramLogProbFilter": "filters/unigram_logprob_filter",
}
"""Filters that datatrove would download something for, and the folder of its cache where that must lie already."""
PACKAGES: Mapping[str, str] = {"URLFilter": "tldextract"}
"""Packages whose version decides a filter's verdicts (here the list of public suffixes), beside datatrove and spaCy."""
ZERO_DIVISION = "divides-by-zero"
"""Reason for a document on which datatrove itself would stop: a share of no words or no lines."""
HIDDEN = frozenset({"self", "exclusion_writer", "batch_size"})
SCALARS: tuple[type, ...] = (bool, int, float, str)


def datatrove_filter(name: str, where: str) -> DatatroveFilter:
    """Return the filter `datatrove:ClassName`.

    Raises: RecipeError for a class that datatrove does not have (offering the nearest) or that is refused.
    """
    wanted = name.partition(":")[2]
    known = datatrove_classes()
    if wanted not in known:
        raise RecipeError(
            f"{where}: `{name}`: datatrove {installed_version('datatrove')} has no filter `{wanted}`; "
            f"{nearest(wanted, known)}"
        )
    if wanted in REFUSED:
        raise RecipeError(f"{where}: `{name}` cannot judge documents here: {REFUSED[wanted]}")
    return DatatroveFilter(class_name=wanted)


@cache
def datatrove_classes() -> Mapping[str, type[Any]]:
    """Return the filters of the installed datatrove by class name."""
    module = import_module("datatrove.pipeline.filters")
    base = import_module("datatrove.pipeline.filters.base_filter").BaseFilter
    return {name: item for name, item in vars(module).items() if isinstance(item, type) and issubclass(item, base)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DatatroveFilter:
    """A class of datatrove as a `Filter`."""

    class_name: str

    @property
    def name(self) -> str:
        """The name with its scheme."""
        return f"{SCHEME}:{self.class_name}"

    @property
    def version(self) -> str:
        """Versions of datatrove, of spaCy, whose tokenizer cuts the words, and of what else decides (`PACKAGES`)."""
        packages = ["spacy", *([PACKAGES[self.class_name]] if self.class_name in PACKAGES else [])]
        return "+".join(
            [
                f"{self.name}@{installed_version('datatrove')}",
                *(f"{package}-{installed_version(package)}" for package in packages),
            ]
        )

    @property
    def summary(self) -> str:
        """Whose verdict it is, and what of it is not used."""
        plain = f"The verdict of {self.class_name} of datatrove {installed_version('datatrove')}"
        return f"{plain}; its changes of the text are not used." if self.class_name in REWRITERS else f"{plain}."

    @property
    def settings(self) -> type[FilterSettings]:
        """The constructor's arguments."""
        fields = _fields(datatrove_classes()[self.class_name])
        return cast(
            "type[FilterSettings]", create_model(f"{self.class_name}Settings", __base__=FilterSettings, **fields)
        )

    def node(self, settings: Any, inputs: StageInputs, where: str) -> Node:
        """Return the verdict node of the class under `settings`.

        Raises: RecipeError for values that the class refuses, PluginError if it lacks a file or a package.
        """
        assets = _assets(self, settings, where)
        scope = settings.scope(inputs)
        judge = _judge(self, _made(self, settings, where))

        def run(context: NodeRun) -> Mapping[str, Json]:
            return run_documents(self.name, judge, scope, context)

        return Node(
            kind="verdict",
            version=self.version,
            params={
                "filter": self.name,
                "settings": settings.model_dump(mode="json"),
                **({"assets": assets} if assets else {}),
                **scope.as_params(),
            },
            inputs={"pool": inputs.pool},
            run=run,
            label=f"filter {self.name}",
        )


def _fields(cls: type[Any]) -> dict[str, Any]:
    """Return pydantic fields for the constructor's arguments; numbers are checked, other values passed on."""
    hints = get_type_hints(cls.__init__)
    fields: dict[str, Any] = {}
    for item in inspect.signature(cls.__init__).parameters.values():
        if item.name not in HIDDEN and item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD):
            default = ... if item.default is item.empty else item.default
            fields[item.name] = (_field_type(hints.get(item.name, Any), default), default)
    return fields


def _field_type(hint: Any, default: object) -> Any:
    """Return a field's type: an `int` may be 3.5, as in Python, and a default of None allows None."""
    union = get_origin(hint) in (Union, types.UnionType)
    options = {option for option in (get_args(hint) if union else (hint,)) if option is not type(None)}
    if not options or any(option not in SCALARS for option in options):
        return Any
    kinds = options | ({int, float} if options & {int, float} else set())
    allowed = [kind for kind in SCALARS if kind in kinds]
    optional = [type(None)] if default is None or type(None) in get_args(hint) else []
    return Union[tuple(allowed + optional)]  # noqa: UP007 - made of a list


def _made(chosen: DatatroveFilter, settings: FilterSettings, where: str) -> Any:
    cls = datatrove_classes()[chosen.class_name]
    hints = get_type_hints(cls.__init__)
    values = {name: value for name, value in settings if name != "applies_to"}
    tuples = {name: _as_tuples(value) for name, value in values.items() if "tuple" in str(hints.get(name))}
    try:
        made = cls(**{**values, **tuples})
    except ImportError as error:
        raise PluginError(f"{where}: filter `{chosen.name}`: {error}; install what it names") from error
    except Exception as error:
        raise RecipeError(f"{where}: filter `{chosen.name}` refuses its settings: {error}") from error
    if getattr(made, "keep_fraction", 0) > 0:
        raise RecipeError(
            f"{where}: filter `{chosen.name}`: keep_fraction {made.keep_fraction} draws at random, expected 0"
        )
    if hasattr(made, "tldextractor"):  # the list of public suffixes that comes with the package, never a download
        made.tldextractor = import_module("tldextract").TLDExtract(suffix_list_urls=())
    return made


def _as_tuples(value: object) -> object:
    """Return YAML's lists as the tuples that datatrove expects."""
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list) else value


def _assets(chosen: DatatroveFilter, settings: FilterSettings, where: str) -> dict[str, Json]:
    """Return digests of the files that the filter will find in datatrove's cache. Raises: PluginError without any."""
    if chosen.class_name not in ASSETS:
        return {}
    namespace, _, subfolder = ASSETS[chosen.class_name].format(**settings.model_dump()).partition("/")
    cached = import_module("huggingface_hub").cached_assets_path
    folder = Path(cached(library_name="datatrove", namespace=namespace, subfolder=subfolder))
    found: dict[str, Json] = {
        path.name: sha256_file(path)
        for path in sorted(folder.glob("*"))
        if path.suffix == ".csv" or path.with_name(f"{path.name}.completed").is_file()  # datatrove's mark
    }
    if not found:
        raise PluginError(
            f"{where}: filter `{chosen.name}` needs a file that datatrove would download, expected it in {folder} with "
            "an empty `.completed` beside it; curate downloads nothing: let datatrove fetch it, or use another filter"
        )
    return found


def _judge(chosen: DatatroveFilter, made: Any) -> Judge:
    """Return the class's `filter_batch` as a judge; one thread at a time, for its steps count as they go."""
    lock = Lock()

    def judge(docs: Sequence[Document]) -> list[Verdict]:
        with lock:
            try:
                results = made.filter_batch([_foreign(doc) for doc in docs])
            except Exception:  # one document's fault: find out whose
                return [_judge_one(chosen, made, doc) for doc in docs]
            return [_verdict(chosen, result) for result in results]

    return judge


def _judge_one(chosen: DatatroveFilter, made: Any, doc: Document) -> Verdict:
    try:
        return _verdict(chosen, made.filter_batch([_foreign(doc)])[0])
    except ZeroDivisionError:
        return Verdict.drop(ZERO_DIVISION)
    except OSError as error:
        raise PluginError(
            f"filter `{chosen.name}` could not read or download what it needs for document {doc.id}: {error}; "
            "let datatrove fetch it into its cache first, or use another filter"
        ) from error
    except Exception as error:
        raise PluginError(f"filter `{chosen.name}` raised {error!r} on document {doc.id}") from error


def _foreign(doc: Document) -> Any:
    """Return the document as datatrove's class, anew for every call: filters write into it."""
    metadata = {"url": doc.url, "language": doc.lang, "date": doc.date}
    known = {name: value for name, value in metadata.items() if value is not None}
    return import_module("datatrove.data").Document(text=doc.text, id=doc.id, metadata=known)


def _verdict(chosen: DatatroveFilter, result: bool | tuple[bool, str]) -> Verdict:
    kept, reason = result if isinstance(result, tuple) else (result, None)
    return Verdict.keep() if kept else Verdict.drop(kebab(reason or f"fails {chosen.class_name}"))


def kebab(reason: str) -> str:
    """Return datatrove's reason in our form: `gopher_short_doc` → `gopher-short-doc`, `< 3 …` → `fewer-than-3-…`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", reason.replace("<", " fewer than ").replace(">", " more than "))
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-") or "dropped"
