"""A spec as a file: .json (Vega-Lite), .html, .svg, .png; the last three are drawn by vl-convert (extra `report`)."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

from curation.errors import RunError
from curation.files import replacing
from leaderboard.laws.plots.parts import Spec

SUFFIXES = (".svg", ".png", ".html", ".json")


def check_plot(path: Path) -> None:
    """Refuse a file that could not be written later, before anything is fitted.

    Raises: RunError for another suffix, or a missing library.
    """
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise RunError(f"{path}: a picture ends in {', '.join(SUFFIXES)}; choose one of them for --plot")
    if kind != ".json":
        _converter(path)


def write_plot(path: Path, spec: Spec) -> None:
    """Write the picture; the suffix says its kind. The same spec gives the same bytes.

    Raises: RunError for another suffix, or a missing library.
    """
    check_plot(path)
    kind = path.suffix.lower()
    if kind == ".json":
        data = (json.dumps(spec, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
    elif kind == ".png":
        data = bytes(_converter(path).vegalite_to_png(spec, scale=2))
    elif kind == ".svg":
        data = _renumbered(str(_converter(path).vegalite_to_svg(spec))).encode()
    else:
        data = str(_converter(path).vegalite_to_html(spec, bundle=True)).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def _renumbered(svg: str) -> str:
    """Return the drawing with its clip paths and gradients numbered from 0: the library counts over a whole process."""
    names = dict.fromkeys(re.findall(r'id="([a-z_]+\d+)"', svg))
    places = {name: f"part{number}" for number, name in enumerate(names)}
    return re.sub(r'(id="|url\(#)([a-z_]+\d+)', lambda hit: hit[1] + places.get(hit[2], hit[2]), svg)


def _converter(path: Path) -> Any:
    try:
        return import_module("vl_convert")
    except ImportError:
        raise RunError(
            f"{path}: drawing needs vl-convert, which is not installed; `pip install 'curate-ladder[report]'`, "
            f"or write {path.with_suffix('.json').name}, which any Vega-Lite viewer shows"
        ) from None
