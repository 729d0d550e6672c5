"""Programming languages by suffix and file name, and the slices that their files make."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import NamedTuple

_TABLE = """
code-python: Python .py .pyi .pyx
code-cpp: C .c .h | C++ .cc .cpp .cxx .hh .hpp .hxx .ipp | CUDA .cu .cuh
code: Ada .adb .ads | Assembly .asm .s | C# .cs | Clojure .clj .cljs | CMake .cmake | CoffeeScript .coffee |
 Common-Lisp .lisp | Crystal .cr | D .d | Dart .dart | Elixir .ex .exs | Elm .elm | Emacs-Lisp .el | Erlang .erl .hrl |
 F# .fs .fsi | Fortran .f .f90 .f95 .f03 .for | GLSL .glsl .vert .frag | Go .go | Groovy .groovy .gradle |
 Haskell .hs .lhs | Java .java | JavaScript .js .jsx .mjs .cjs | Julia .jl | Kotlin .kt .kts | Lean .lean | Lua .lua |
 MATLAB .m | Nim .nim | Nix .nix | OCaml .ml .mli | Pascal .pas | Perl .pl .pm | PHP .php | PowerShell .ps1 .psm1 |
 Prolog .pro | R .r | Racket .rkt | Ruby .rb | Rust .rs | Scala .scala .sc | Scheme .scm | Shell .sh .bash .zsh .fish |
 Solidity .sol | SQL .sql | Swift .swift | Tcl .tcl | Thrift .thrift | TypeScript .ts .tsx | Verilog .v .sv |
 VHDL .vhd .vhdl | Vim-script .vim | Visual-Basic .vb | Vue .vue | WebAssembly .wat | Zig .zig | Protocol-Buffers .proto
docs: Markdown .md .markdown | reStructuredText .rst | Text .txt | AsciiDoc .adoc .asciidoc | Org .org
configuration: JSON .json | YAML .yaml .yml | TOML .toml | INI .ini .cfg .conf | XML .xml | Terraform .tf
web-assets: HTML .html .htm .xhtml | CSS .css .scss .sass .less | SVG .svg
math: TeX .tex .bib .sty .cls
"""
_BY_NAME = {
    "makefile": ("Makefile", "code"), "gnumakefile": ("Makefile", "code"), "dockerfile": ("Dockerfile", "code"),
    "rakefile": ("Ruby", "code"), "gemfile": ("Ruby", "code"), "cmakelists.txt": ("CMake", "code"),
    "readme": ("Text", "docs"), "changelog": ("Text", "docs"), "jenkinsfile": ("Groovy", "code"),
}  # fmt: skip


class Language(NamedTuple):
    """A language and the slice of its files."""

    name: str
    slice: str


def _read_table() -> dict[str, Language]:
    found: dict[str, Language] = {}
    for line in _TABLE.strip().replace("|\n", "|").splitlines():
        slice_name, _, entries = line.partition(":")
        for entry in entries.split("|"):
            name, *suffixes = entry.split()
            found.update({suffix: Language(name.replace("-", " "), slice_name) for suffix in suffixes})
    return found


_BY_SUFFIX = _read_table()


def language_of(name: str) -> Language | None:
    """Return the language that a file's name says, None for an unknown one."""
    lower = PurePosixPath(name).name.lower()
    if lower in _BY_NAME:
        return Language(*_BY_NAME[lower])
    return _BY_SUFFIX.get(PurePosixPath(lower).suffix)
