"""Croissant metadata of a published corpus: files with digests, record sets with fields, licences, provenance.

Source: Croissant 1.1, docs.mlcommons.org/croissant; the RAI vocabulary 1.0 for collection and processing. Nothing in it
depends on the day or the machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pyarrow as pa

from curation.batches import TEXT_SCHEMA
from curation.files import Json
from curation.publishing.card import Split
from curation.publishing.described import Described
from curation.publishing.removed import REMOVED_SCHEMA
from curation.recipe import Recipe
from curation.store import Artifact

PARQUET = "application/x-parquet"
CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
MEANINGS: Mapping[str, str] = {
    "id": "identity of the document in its corpus",
    "text": "text as it is trained on",
    "source": "where the document comes from",
    "slice": "named part of the corpus",
    "url": "address the document had",
    "lang": "language of the document",
    "license": "licence of the document",
    "date": "date that the source gives",
    "meta": "other fields of the source, as a JSON object",
    "step": "stage that dropped the document",
    "reason": "why it was dropped",
    "value": "the number that failed, if one did",
}


def croissant(
    corpus: Artifact,
    recipe: Recipe | None,
    told: Described,
    splits: Sequence[Split],
    files: Mapping[str, tuple[int, str]],
) -> dict[str, Json]:
    """Return the JSON-LD of a published corpus; `files` gives bytes and sha256 of every Parquet file by its path."""
    name = recipe.name if recipe else f"corpus-{corpus.fingerprint[:8]}"
    params = cast("Mapping[str, Json]", corpus.manifest["params"])
    inputs = cast("Mapping[str, Json]", corpus.manifest["inputs"])
    objects: list[Json] = [
        {
            "@type": "cr:FileObject",
            "@id": path,
            "name": path,
            "contentUrl": path,
            "contentSize": f"{size} B",
            "encodingFormat": PARQUET,
            "sha256": digest,
        }
        for path, (size, digest) in sorted(files.items())
    ]
    steps = cast("Sequence[Json]", params.get("steps", []))
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": (recipe.description if recipe else "") or "A corpus built by curate.",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "license": sorted({share.license for share in told.licenses}),
        "version": f"{recipe.version if recipe else 1}.0.0",
        "identifier": corpus.fingerprint,
        "inLanguage": list(told.languages) or "und",
        "isLiveDataset": False,
        "rai:dataCollection": f"Documents of the pool {inputs.get('pool', 'of its origin')}, licences by source: "
        + "; ".join(f"{share.source}: {share.license} {share.docs:,} documents" for share in told.licenses),
        "rai:dataPreprocessingProtocol": [str(step) for step in steps] or ["none"],
        "prov:wasDerivedFrom": sorted({f"urn:sha256:{fingerprint}" for fingerprint in inputs.values()}),
        "distribution": [*objects, *(_file_set(split) for split in splits)],
        "recordSet": [_record_set(split) for split in splits],
    }


def _file_set(split: Split) -> Json:
    return {
        "@type": "cr:FileSet",
        "@id": f"files-{split.config}",
        "name": f"files-{split.config}",
        "encodingFormat": PARQUET,
        "includes": split.pattern,
    }


def _record_set(split: Split) -> Json:
    schema = REMOVED_SCHEMA if split.config == "removed" else TEXT_SCHEMA
    return {
        "@type": "cr:RecordSet",
        "@id": split.config,
        "name": split.config,
        "description": f"{split.num_docs} documents",
        "key": {"@id": f"{split.config}/id"},
        "field": [_field(split.config, field) for field in schema],
    }


def _field(config: str, field: pa.Field) -> Json:
    return {
        "@type": "cr:Field",
        "@id": f"{config}/{field.name}",
        "name": field.name,
        "description": MEANINGS[field.name],
        "dataType": "sc:Float" if pa.types.is_floating(field.type) else "sc:Text",
        "source": {"fileSet": {"@id": f"files-{config}"}, "extract": {"column": field.name}},
    }
