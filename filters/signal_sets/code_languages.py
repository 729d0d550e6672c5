"""What kind of file a code document is, from its metadata, for the rules that treat some languages apart.

The kind is read from the record's other fields: an extension (`ext`, `extension`), the end of a path (`path`,
`max_stars_repo_path`, `file_path`, `filename`, or the URL) and a language name (`language`, `lang`); a document that
has none of them is of no special kind and meets the general rules.
Source: StarCoder's `visual_inspection.csv` (extensions); The Stack v2, arXiv:2402.19173 (languages).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

HTML, JSON_YAML, DATA, LONG_LINES, ASSEMBLY, XSLT, NO_LINE_LIMIT, ALPHABETIC, EXCLUDED = (1 << i for i in range(9))
"""HTML; JSON or YAML; kept under 512 lines and exempt from line lengths by The Stack v2; judged by alphanumeric
characters; may hold XML; and by StarCoder's table: no line limit, 25 % alphabetic, not taken at all."""

_GROUPS: Mapping[int, str] = {
    HTML: "html htm xhtml xht",
    JSON_YAML: "json yaml yml",
    DATA: "json json5 jsonl jsonld yaml yml owl dot gv txt text web-ontology-language graphviz-(dot)",
    LONG_LINES: "html htm xhtml xht json md markdown mkd mkdn roff roff-manpage man smt smt2 tex ltx sty txt text xml",
    ASSEMBLY: "wat wast wasm x68 webassembly motorola-68k-assembly",
    XSLT: "xsl xslt",
    NO_LINE_LIMIT: (
        "asm bsv cmake md markdown mkd mkdn ron nb matlab r rst rmd sql ado do bbx bib cbx dtx ins lbx mkii mkiv mkvi "
        "sty tex json restructuredtext rmarkdown"
    ),
    ALPHABETIC: "ads aug fp mpl ma nb wl matlab scm sld sps prc sv vhd bas y",
    EXCLUDED: (
        "bison cats w csx cl2 sexp xrl f77 frg geo vrx grt cdf nbp wlt dpr al ph plx rktd rktl rest pck pls tab sig "
        "aux ltx toc vhf vht frx yy"
    ),
}

_KINDS = {
    name: sum(flag for flag, names in _GROUPS.items() if name in names.split())
    for names in _GROUPS.values()
    for name in names.split()
}

_EXTENSION_FIELDS = ("ext", "extension")
_PATH_FIELDS = ("path", "max_stars_repo_path", "file_path", "filename", "file_name")
_LANGUAGE_FIELDS = ("language", "lang", "programming_language")


def kind_of(fields: Mapping[str, Any], url: str | None) -> int:
    """Return the kind, as flags, of a document with these metadata fields."""
    for field in _EXTENSION_FIELDS:
        if isinstance(fields.get(field), str):
            return _KINDS.get(fields[field].lower().lstrip("."), 0)
    for value in (*(fields.get(field) for field in _PATH_FIELDS), url):
        name = value.rsplit("/", 1)[-1] if isinstance(value, str) else ""
        if "." in name:
            return _KINDS.get(name.rsplit(".", 1)[1].lower(), 0)
    for field in _LANGUAGE_FIELDS:
        if isinstance(fields.get(field), str):
            return _KINDS.get(fields[field].lower().replace(" ", "-"), 0)
    return 0


def kinds(table: pa.Table) -> npt.NDArray[np.int64]:
    """Return the kind of every document of a table with the columns `meta` and `url`; 0 where they are missing."""
    found = np.zeros(table.num_rows, np.int64)
    names = set(table.column_names)
    metas = table["meta"].to_pylist() if "meta" in names else [None] * table.num_rows
    urls = table["url"].to_pylist() if "url" in names else [None] * table.num_rows
    for row, (meta, url) in enumerate(zip(metas, urls, strict=True)):
        if meta or url:
            fields = json.loads(meta) if meta else {}
            found[row] = kind_of(fields if isinstance(fields, dict) else {}, url)
    return found
