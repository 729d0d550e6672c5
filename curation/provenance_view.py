"""Provenance for people: a tree on the terminal, a Mermaid graph, a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, cast

from curation.console import printable
from curation.errors import CurateError
from curation.files import Json, write_text
from curation.provenance import CHANGED, NOT_HERE, RECORDED, VERIFIED, Chain, Link

if TYPE_CHECKING:
    from rich.console import Console

FILES_SHOWN = 10
COLOURS = {VERIFIED: "green", RECORDED: "yellow", NOT_HERE: "yellow", CHANGED: "red"}


def title(link: Link) -> str:
    """Return one line about a link: what it is, of which version, with what settings."""
    if not link.kind:
        return f"{link.fingerprint[:8]}"
    named = next(
        (str(link.params[key]) for key in ("filter", "modifier", "name", "set", "tier") if key in link.params), ""
    )
    named = named or str(link.told.get("name", ""))
    parts = [f"{link.kind}-{link.fingerprint[:8]}", named, f"({link.version})" if link.version else ""]
    counts = [
        f"{link.told[key]:,} {unit}"
        for key, unit in (("num_docs", "documents"), ("num_tokens", "tokens"), ("unique_tokens", "tokens"))
        if isinstance(link.told.get(key), int)
    ]
    return " ".join(part for part in parts if part) + (f": {', '.join(counts)}" if counts else "")


def draw(console: Console, chain: Chain) -> None:
    """Draw the chain as a tree; what was drawn before is named and not drawn again."""
    from rich.markup import escape as plain
    from rich.tree import Tree

    root = chain.links[chain.root]
    tree = Tree(plain(printable(title(root))) + _state(root))
    drawn: set[str] = set()

    def grow(branch: Tree, link: Link) -> None:
        if link.fingerprint in drawn:
            return
        drawn.add(link.fingerprint)
        for name, fingerprint in link.inputs.items():
            below = chain.links[fingerprint]
            again = " (above)" if fingerprint in drawn else ""
            grow(branch.add(plain(printable(f"{name}: {title(below)}{again}")) + _state(below)), below)
        for line in _file_lines(chain, link.fingerprint):
            branch.add(plain(printable(line)))

    grow(tree, root)
    console.print(tree, soft_wrap=True)
    for line in _facts(chain):
        console.print(printable(line), markup=False, soft_wrap=True)


def _state(link: Link) -> str:
    why = f": {link.why}" if link.why else ""
    return f" [{COLOURS.get(link.state, 'default')}]\\[{link.state}{why}][/]"


def _file_lines(chain: Chain, fingerprint: str) -> Iterator[str]:
    files = chain.files.get(fingerprint, [])
    for entry in files[:FILES_SHOWN]:
        size = f", {entry['bytes']:,} bytes" if "bytes" in entry else ""
        size += f", sha256 {str(entry['sha256'])[:16]}" if "sha256" in entry else ""
        size += f", {entry['stamp']}" if "stamp" in entry else ""
        yield f"read {entry['name']}{size}"
    if len(files) > FILES_SHOWN:
        yield f"and {len(files) - FILES_SHOWN:,} more; all of them: --json"


def _facts(chain: Chain) -> Iterator[str]:
    value = chain.as_json()
    licenses = cast("Mapping[str, int]", value["licenses"])
    if licenses:
        docs = sum(licenses.values())
        ranked = sorted(licenses.items(), key=lambda item: (-item[1], item[0]))
        yield "licences: " + ", ".join(f"{name} {number:,} ({number / docs:.1%})" for name, number in ranked)
    for name, made_on in cast("Mapping[str, Mapping[str, Json]]", chain.environment["made_on"]).items():
        yield f"made on ({name}): " + ", ".join(f"{key} {item}" for key, item in sorted(made_on.items()))
    states = [link.state for link in chain.links.values()]
    told = ", ".join(f"{states.count(state)} {state}" for state in COLOURS if state in states)
    yield f"{len(states)} links: {told}; read by {chain.environment['read_by']}"


def mermaid(chain: Chain) -> str:
    """Return the chain as a Mermaid flow chart, inputs above what was made of them."""
    numbers = {key: f"n{number}" for number, key in enumerate(chain.links)}
    lines = ["flowchart TD"]
    for key, link in chain.links.items():
        label = printable(title(link)).replace('"', "'").replace("`", "'")
        lines.append(f'  {numbers[key]}["{escape(label, quote=False)}<br/>{link.state}"]')
    lines += [
        f'  {numbers[below]} -->|"{name}"| {numbers[key]}'
        for key, link in chain.links.items()
        for name, below in link.inputs.items()
    ]
    return "\n".join(lines) + "\n"


def write_graph(path: Path, chain: Chain) -> None:
    """Write a page (`.html`) or a Mermaid graph (`.mmd`).

    Raises: CurateError for another ending.
    """
    if path.suffix == ".mmd":
        write_text(path, mermaid(chain))
    elif path.suffix == ".html":
        _write_page(path, chain)
    else:
        raise CurateError(f"--out {path}: ends with `{path.suffix}`, expected .html or .mmd; choose another name")


def _write_page(path: Path, chain: Chain) -> None:
    from curation.page import heading, paragraph, quote, table, write_page

    rows = [
        [
            title(link),
            f"{link.state} {link.why}".strip(),
            "\n".join([*_input_lines(link), *_file_lines(chain, key)]),
            key,
        ]
        for key, link in chain.links.items()
    ]
    parts = [
        table("Artifacts, what was made last first", ["artifact", "state", "made from", "fingerprint"], rows),
        *map(paragraph, _facts(chain)),
        heading("As a Mermaid graph"),
        quote("flow chart", mermaid(chain)),
    ]
    write_page(path, title(chain.links[chain.root]), "provenance", parts)


def _input_lines(link: Link) -> list[str]:
    return [f"{name}: {below[:16]}" for name, below in link.inputs.items()]
