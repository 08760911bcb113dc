"""What commands share: a line on standard error, and the folder of a run."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from pinnact.interrupts import WORDS

console = Console(stderr=True)
CHECKPOINTS = "checkpoints"
EXIT_TERMINATED = 143
SIGNALS = {word: int(number) for number, word in WORDS.items()}
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in --out; the same command otherwise.")]


def _every(seconds: float) -> float:
    if not seconds >= 0:
        raise typer.BadParameter(f"{seconds:g} seconds between two checkpoints; give 0 or more, or inf")
    return seconds


Every = Annotated[
    float, typer.Option(callback=_every, help="Seconds between two checkpoints; inf: only one at the end.")
]


def say(text: str, style: str | None = None) -> None:
    """One line on standard error, never wrapped."""
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)


def free_folder(name: str) -> Path:
    """`runs/NAME`, or `runs/NAME-2` and so on where that is taken."""
    folder, count = Path("runs") / name, 1
    while folder.exists():
        count += 1
        folder = Path("runs") / f"{name}-{count}"
    return folder


def check_folder(folder: Path, resume: bool = False, begun: str = CHECKPOINTS) -> None:
    """Refuse a folder that holds another run or that can't be written, before training starts.

    To `resume`, it must hold the folder that such a run has `begun`, or nothing yet.
    """
    kept = (folder / begun).is_dir()
    if folder.is_dir() and any(folder.iterdir()) and not (resume and kept):
        hint = "add --resume to go on with it, choose another --out," if kept else "choose another --out"
        raise ValueError(f"{folder} holds another run or other files; {hint} or remove it")
    parent = folder
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise ValueError(
            f"{folder} can't be written: {parent} is no folder that you may write to; choose another --out"
        )


def run_folder(name: str, out: Path | None, resume: bool, begun: str = CHECKPOINTS) -> Path:
    """The checked folder of a run: `out`, or a free one of that name where none is given."""
    if resume and out is None:
        raise ValueError("--resume needs --out DIR, the folder of the run to go on with")
    folder = free_folder(name) if out is None else out
    check_folder(folder, resume, begun)
    return folder


def ended_early(stopped: str, folder: Path) -> int:
    """The exit code of a run that a signal stopped, said together with how to go on; 0 for any other."""
    if stopped not in SIGNALS:
        return 0
    again = [word for word in sys.argv[1:] if word != "--resume"]
    given = any(word == "--out" or word.startswith("--out=") for word in again)
    command = shlex.join(["pinnact", *again, *([] if given else ["--out", str(folder)]), "--resume"])
    say(f"{stopped}; to go on: {command}")
    return 128 + SIGNALS[stopped]


def pairs(given: Sequence[str] | None, option: str) -> dict[str, str]:
    """Options of the form NAME=VALUE as a dictionary of texts."""
    pairs = {}
    for item in given or ():
        name, equals, value = item.partition("=")
        if not equals or not name or not value:
            raise ValueError(f"{option} {item!r}: write NAME=VALUE")
        pairs[name.strip()] = value.strip()
    return pairs


def number(text: str) -> Any:
    """A number where the text is one, else the text itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)
