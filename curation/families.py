"""Families: which documents belong together, so that a split never has one of them on two sides (rule 1).

The first of these that a document has:
1. `meta.family`, which the pool's `family` column fills;
2. the registered host of its `url` (`https://docs.example.co.uk/a` -> `example.co.uk`; one blog of a shared host);
3. `meta.origin` read as `owner/repo@revision:path`: the repository for code, else `owner/repo:path` without folders
   named like a version (`1.13`, `v2.0`), so that a page is one family across versions;
4. its id.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import orjson

from curation.slices import SliceKind

FAMILIES_VERSION = "families@1"

_ORIGIN = re.compile(r"(?P<repository>[^@\s]+)@[^:@/\s]*:(?P<path>.+)", re.DOTALL)
_VERSION = re.compile(
    r"v\d+(\.\d+)*([.-]?(x|dev|rc|alpha|beta|preview)\d*)?|\d+(\.\d+)+([.-]?(x|dev|rc|alpha|beta|preview)\d*)?"
)
_COUNTRY_SECOND_LEVEL = frozenset("ac co com edu gob gov go govt mil ne net nhs nom or org sch".split())
_SHARED_HOSTS = frozenset(
    """
    appspot.com blogspot.com fandom.com github.io gitlab.io herokuapp.com livejournal.com medium.com netlify.app
    pages.dev readthedocs.io readthedocs.org sourceforge.io sourceforge.net substack.com tumblr.com typepad.com
    vercel.app weebly.com wixsite.com wordpress.com
    """.split()
)


def family_of(document_id: str, url: str | None, meta: str | None, slice_kind: SliceKind) -> str:
    """Return the family of a document from its canonical columns; `meta` is a JSON object or None."""
    fields = orjson.loads(meta) if meta else {}
    family = fields.get("family")
    if family is not None and family != "":
        return str(family)
    host = registered_host(url) if url else None
    if host:
        return host
    origin = fields.get("origin")
    return (family_of_origin(origin, slice_kind) if isinstance(origin, str) else None) or document_id


def registered_host(url: str) -> str | None:
    """Return the part of the host that somebody registered, or None for a URL without a host.

    A short table stands in for the public suffix list: `co.uk` and its kin, and hosts that many sites share.
    """
    try:
        host = (urlsplit(url if "//" in url else f"//{url}").hostname or "").rstrip(".")
    except ValueError:
        return None
    if "//" not in url and "." not in host:
        return None
    labels = host.split(".")
    if len(labels) <= 2 or ":" in host or labels[-1].isdigit():
        return host or None
    second_level = len(labels[-1]) == 2 and labels[-2] in _COUNTRY_SECOND_LEVEL
    return ".".join(labels[-3:] if second_level or ".".join(labels[-2:]) in _SHARED_HOSTS else labels[-2:])


def family_of_origin(origin: str, slice_kind: SliceKind) -> str | None:
    """Return the family that `owner/repo@revision:path` names, or None when it does not read so."""
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        return None
    repository, path = match["repository"], match["path"]
    inner = _ORIGIN.fullmatch(path)
    if inner is not None:  # a copy that says where its original came from
        repository, path = inner["repository"], inner["path"]
    if slice_kind == "code":
        return repository
    *folders, name = path.split("/")
    return f"{repository}:{'/'.join([*(part for part in folders if not _VERSION.fullmatch(part)), name])}"
