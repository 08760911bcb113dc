"""`pinnact atlas`: measure claims about activations, and write the pages that show what was found."""

from pathlib import Path
from typing import Annotated

import typer

from pinnact import atlas as atlas_of
from pinnact import library
from pinnact.console import check_folder, free_folder, say

GROUP = "activations"
EXIT_FAILED = 1


def atlas(
    names: Annotated[list[str] | None, typer.Argument(help="Entries by name, or files; all of them if none.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the pages; by default runs/atlas.")] = None,
    seeds: Annotated[int, typer.Option(help="Seeds that each entry measures.")] = 5,
    listed: Annotated[bool, typer.Option("--list", help="Name the entries with their claims, and stop.")] = False,
) -> None:
    """Measure claims about activation functions: writes atlas.json, atlas.md, index.html and figures."""
    known = [name for name in library.names() if name.startswith(f"{GROUP}/")]
    asked = [name if name.endswith(".py") or "/" in name else f"{GROUP}/{name}" for name in names or known]
    entries = [atlas_of.Entry.of(library.load(library.find(name))) for name in asked]
    if listed:
        for entry in entries:
            print(f"{entry.name}: {entry.claim}")
        return
    if seeds < 1:
        raise ValueError(f"--seeds {seeds}: give at least 1")
    folder = free_folder("atlas") if out is None else out
    check_folder(folder)
    records = atlas_of.measure(entries, folder, seeds, say)
    atlas_of.write(records, folder)
    say(f"written to {folder / 'index.html'}")
    if any(record["holds"] == "failed" for record in records):
        raise typer.Exit(EXIT_FAILED)
