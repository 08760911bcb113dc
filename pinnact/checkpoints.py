"""Checkpoints: the state of a run in a folder, so that a run that was stopped or killed goes on where it was.

Every so many seconds, and at the end, the arrays of a run and the plain numbers beside them become one file with a
checksum, moved to its place when it is whole. The newest few are kept. A file that is damaged is named and the one
before it taken; one of another run is refused with what differs.
"""

import json
import logging
import re
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from pinnact.files import held, plain_data, read_arrays, write_arrays
from pinnact.versions import versions

logger = logging.getLogger("pinnact")
FORMAT, VERSION = "pinnact checkpoint", 1
SUFFIX = ".ckpt"
LONG = 60  # characters of what differs that are told
PARTS: dict[str, type] = {"step": int, "run": dict, "versions": dict, "numbers": dict}  # of a header


@dataclass(frozen=True)
class Checkpoints:
    """Where and how often the state of a run is written: to `folder`, every `every` seconds, the newest `keep` kept.

    No other process can take the folder while the run trains, or, given `until`, until that is closed.
    """

    folder: str | PathLike[str]
    every: float = 60.0
    keep: int = 2
    until: ExitStack | None = None

    def __post_init__(self) -> None:
        if not self.every >= 0:
            raise ValueError(f"every={self.every}: give the seconds between two checkpoints, 0 or more")
        if self.keep < 1:
            raise ValueError(f"keep={self.keep} checkpoints; give at least 1")

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.folder)

    @property
    def files(self) -> list[Path]:
        """Those that are there, the newest first."""
        return sorted(self.path.glob(f"[0-9]*{SUFFIX}"), reverse=True)


class Saved(NamedTuple):
    """What a checkpoint gives back."""

    path: Path
    numbers: dict[str, Any]
    arrays: list[np.ndarray]


class Keeper:
    """Holds the folder of `checkpoints` for one run, as a context; without one, all it does is nothing.

    `run` tells in plain data which run it is: a checkpoint where any of it differs is refused. Of several processes
    that train one run only the first `writes`; all of them read.
    """

    def __init__(
        self, checkpoints: Checkpoints | str | PathLike[str] | None, run: Mapping[str, Any], writes: bool = True
    ) -> None:
        given = checkpoints is None or isinstance(checkpoints, Checkpoints)
        self.checkpoints: Checkpoints | None = checkpoints if given else Checkpoints(checkpoints)  # type: ignore[arg-type,assignment]
        self.run = {key: _words(plain_data(value)) for key, value in run.items()}
        self.writes = writes and self.checkpoints is not None
        self.failing = False
        self.damaged: list[Path] = []
        self.last = time.monotonic()
        self.held = ExitStack()

    def __enter__(self) -> "Keeper":
        if self.writes and self.checkpoints is not None:
            (self.checkpoints.until or self.held).enter_context(held(self.checkpoints.path))
            for left in self.checkpoints.path.glob(f".*{SUFFIX}"):
                left.unlink()  # of a process that was killed while it wrote
        return self

    def __exit__(self, *_: object) -> None:
        self.held.close()

    def newest(self) -> Saved | None:
        """The newest whole checkpoint; None where there is none yet. ValueError for another run's."""
        if self.checkpoints is None or not (files := self.checkpoints.files):
            return None
        for path in files:
            try:
                header, arrays = read_arrays(path, FORMAT, VERSION)
                if not all(type(header.get(part)) is kind for part, kind in PARTS.items()):
                    raise ValueError(f"{path}: no checkpoint of a run, its header lacks one of {', '.join(PARTS)}")
            except (ValueError, OSError) as error:
                logger.warning("%s; the checkpoint before it is taken", error)
                self.damaged.append(path)
                continue
            self._compare(path, header)
            logger.info("%s: goes on at step %d", path, header["step"])
            return Saved(path, header["numbers"], arrays)
        raise ValueError(f"{self.checkpoints.path} holds no checkpoint that is whole; remove it to start anew")

    def _compare(self, path: Path, header: Mapping[str, Any]) -> None:
        for key in (*self.run, *header["run"]):
            mine, saved = self.run.get(key), header["run"].get(key)
            if mine != saved:
                was, now = differing(saved, mine)
                raise ValueError(
                    f"{path}: of another run, {key} was {was} and is {now}; give the same, or another folder"
                )
        now = versions()
        if now["pinnact"] != (saved := header["versions"].get("pinnact")):
            raise ValueError(
                f"{path}: written by pinnact {saved}, this is {now['pinnact']}; "
                "go on with that one, or start anew in another folder"
            )
        changed = {name: saved for name, saved in header["versions"].items() if now.get(name) != saved}
        for name, saved in changed.items():
            logger.warning(
                "%s: written with %s %s, this is %s: the last digits may differ", path, name, saved, now.get(name)
            )

    @property
    def due(self) -> bool:
        """Whether the time between two checkpoints is over."""
        return self.checkpoints is not None and self.writes and time.monotonic() - self.last >= self.checkpoints.every

    def save(self, step: int, numbers: Mapping[str, Any], state: Any) -> bool:
        """Write the arrays of `state`, a pytree, and the plain `numbers`; whether that went well.

        A disk that is full or a folder that is gone is told once and tried again the next time: training goes on.
        """
        if self.checkpoints is None or not self.writes:
            return True
        header = {
            "format": FORMAT,
            "version": VERSION,
            "step": step,
            "run": self.run,
            "versions": versions(),
            "numbers": dict(numbers),
        }
        try:
            self.checkpoints.path.mkdir(parents=True, exist_ok=True)
            path = self.checkpoints.path / f"{step:012d}{SUFFIX}"
            write_arrays(path, header, [_array(leaf) for leaf in jax.tree.leaves(state)])
            for old in self.damaged:
                if old != path:
                    old.unlink(missing_ok=True)
            self.damaged = []
            for old in self.checkpoints.files[self.checkpoints.keep :]:
                old.unlink(missing_ok=True)
        except OSError as error:
            if not self.failing:
                logger.warning("no checkpoint could be written (%s); training goes on and tries again", error)
            self.failing = True
        else:
            if self.failing:
                logger.warning("checkpoints are written again, at step %d", step)
            self.failing = False
        self.last = time.monotonic()
        return not self.failing


def _array(leaf: Any) -> np.ndarray:
    is_key = isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if is_key else leaf)


def _words(value: Any) -> Any:
    """Plain data without addresses in memory, which differ from process to process."""
    return json.loads(re.sub(r" at 0x[0-9a-f]+", "", json.dumps(value)))


def differing(saved: Any, mine: Any) -> tuple[str, str]:
    """Both as text; of long texts, the words from where they differ."""
    one, other = (json.dumps(value).replace('"', "") for value in (saved, mine))
    if max(len(one), len(other)) <= LONG:
        return one, other
    same = next((i for i, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))
    begin = 1 + max(one.rfind(mark, 0, same) for mark in ",([{")
    begin = begin if same - begin < LONG // 2 else 1 + max(one.rfind(" ", 0, same), same - LONG // 2)
    return _first_words(one[begin:]), _first_words(other[begin:])


def _first_words(text: str) -> str:
    """The first words of a text, with dots for the others; part of the first where it is very long."""
    text = text.strip()
    return text if len(text) <= LONG else f"{text[:LONG].rsplit(' ', 1)[0]} ..."
