"""What commands share: a line on standard error, and the folder of a run."""

import os
from pathlib import Path

from rich.console import Console

console = Console(stderr=True)


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


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds another run or that can't be written, before training starts."""
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} holds another run or other files; choose another --out, or remove it")
    parent = folder
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise ValueError(
            f"{folder} can't be written: {parent} is no folder that you may write to; choose another --out"
        )
