"""Settings of a recipe's pool: where documents come from, how files are read, which columns hold what."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


class PoolPart(BaseModel):
    """A part of a pool's settings: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Format = Literal[
    "jsonl", "parquet", "arrow", "csv", "tsv", "warc", "html", "text", "markdown", "code", "zip", "tar", "huggingface",
    "paths",
]  # fmt: skip
"""How files are read; `warc` is WARC, WET, WAT and ARC alike, `paths` a list of files as Common Crawl publishes it."""

Protocol = Literal["https", "http", "s3", "gs", "hf", "az", "memory"]
"""What `protocols` may allow at all; local files need none and are never named by a URL."""

Strings = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]


class DatatroveReader(PoolPart):
    """A reader class of the installed datatrove and the arguments of its constructor."""

    name: str
    """`datatrove:WarcReader`; the files are those of `path`."""
    args: dict[str, Any] = {}


def _reader(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class PoolSpec(PoolPart):
    """Where documents come from and which columns hold what."""

    path: Strings = ()
    """Files, directories (searched recursively) or globs; relative to the working directory."""
    source: Literal["files", "environment"] = "files"
    include: Strings = ()
    """Globs relative to a directory in `path`; empty means every readable file."""
    exclude: Strings = ()
    """Globs relative to a directory in `path`, applied after `include`."""
    format: Format | None = None
    """How the files are read; none means by their names, and by their first bytes where the name does not say."""
    documents: Literal["file", "paragraphs", "lines"] = "file"
    """What is one document of a text or Markdown file."""
    extract: str | None = None
    """Extractor that makes text of HTML pages, `name@version`; none means `trafilatura@1` for formats that hold pages,
    and text columns that are taken as they are."""
    charset: str | None = None
    """Encoding of text, CSV and code files; none means UTF-8, or UTF-16 and UTF-32 with a byte order mark."""
    reader: Annotated[DatatroveReader | None, BeforeValidator(_reader)] = None
    """A reader of datatrove instead of ours."""
    base: str | None = None
    """Directory or URL that the entries of a path list are relative to."""
    sample: int | None = Field(default=None, gt=0)
    """Entries of each path list that are read, chosen by hash; none means all."""
    config: str | None = None
    """Configuration of a Hugging Face dataset; none means its default."""
    split: str | None = None
    """Split of a Hugging Face dataset; none means all."""
    protocols: Annotated[tuple[Protocol, ...], BeforeValidator(_as_tuple)] = ("https", "s3", "gs", "hf")
    """Protocols that `path` and `base` may name."""
    places: bool | None = None
    """Whether `meta.place` says where a document was read; none means for all but JSONL and Parquet."""
    max_expansion: float = Field(default=200, gt=1)
    """Decompressed to stored bytes above which a file is refused as a bomb, once past 100 MB."""
    max_expanded_bytes: int = Field(default=1_000_000_000_000, gt=0)
    """Decompressed bytes of one file above which it is refused."""
    text: str = "text"
    id: str | None = None
    """Column with the record's own id; none means an id computed from the record's content."""
    slice: str = "slice"
    tagger: str | None = None
    """Who names the slice instead of a column: `language`, `script`, `url-host`, or a model, `kmeans:PATH` or
    `fasttext:PATH` (`curation.sources.taggers`)."""
    default_slice: str = "all"
    """Slice of records without that column, or of which the tagger says nothing."""
    family: str | None = None
    """Column with the family (site, book, repository); none means the rules of `curation.families`."""
    max_bytes: int | None = Field(default=None, gt=0)
    """Cap on the UTF-8 bytes of all text together: slices above one common ceiling are cut to it, whole documents."""
    max_doc_bytes: int = Field(default=50_000_000, gt=0)
    max_bad_fraction: float = Field(default=0.001, ge=0, le=1)
    """Share of rejected records above which the build stops."""

    @model_validator(mode="after")
    def _files_need_a_path(self) -> PoolSpec:
        if self.source == "files" and not self.path:
            raise ValueError("no `path`; give files, directories or globs, or `source: environment`")
        return self

    @model_validator(mode="after")
    def _one_says_the_slice(self) -> PoolSpec:
        if self.tagger is not None:
            from curation.sources.taggers import refuse_beside

            refuse_beside(self.tagger, self.slice)
        return self
