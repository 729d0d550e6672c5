"""`python -m curation.command_reference`: the Markdown page of all commands, from their own help."""

from __future__ import annotations

import os
import re
import sys
from contextlib import redirect_stdout
from io import StringIO

from curation.cli import build_app
from curation.command_table import COMMANDS

HEADER = """# Commands

Made from the commands' own help by `python -m curation.command_reference > docs/commands.md`; a test keeps it so.
Exit codes: [exit-codes.md](exit-codes.md). Every command that gives a result takes `--json`.
"""


def reference() -> str:
    """Return the page: one section a command with its help as plain text."""
    sections = [f"## `curate {c.path}`\n\n{c.help}\n\n```text\n{_help(c.path)}\n```\n" for c in COMMANDS]
    return "\n".join([HEADER, *sections])


def _help(path: str) -> str:
    words = [*path.split(), "--help"]
    before = {name: os.environ.get(name) for name in ("COLUMNS", "NO_COLOR", "TERM", "TERMINAL_WIDTH")}
    os.environ.update({"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "TERMINAL_WIDTH": "100"})
    caught = StringIO()
    try:
        with redirect_stdout(caught):
            build_app(words)(args=words, prog_name="curate", standalone_mode=False)
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    plain = re.sub(r"\x1b\[[0-9;]*m", "", caught.getvalue())
    return "\n".join(line.rstrip() for line in plain.strip().splitlines())


if __name__ == "__main__":
    sys.stdout.write(reference())
