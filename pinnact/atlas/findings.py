"""The atlas of activations: entries that each measure one claim, and the run that goes through them.

An entry is a file with one function of the file's name. Its docstring states the claim in its first paragraph, and
where it comes from in one that begins with `Source:`; called with a number of seeds it returns a `Finding`.
"""

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pinnact.precision import precision


@dataclass(frozen=True)
class Finding:
    """What an entry measured, its figures, and `checks`: the parts of the rule that decides, each with its outcome."""

    measured: Mapping[str, Any]
    checks: Mapping[str, bool]
    figures: Mapping[str, Figure] = field(default_factory=dict)

    @property
    def holds(self) -> str:
        """`yes` where every check came out true, `no` where none did, `partly` otherwise."""
        if not self.checks:
            raise ValueError("a finding without checks decides nothing; give at least one")
        return "yes" if all(self.checks.values()) else "partly" if any(self.checks.values()) else "no"


@dataclass(frozen=True)
class Entry:
    """One claim: its name, the claim and its source in words, and the function that measures it."""

    name: str
    claim: str
    source: str
    measure: Callable[..., Finding]

    @staticmethod
    def of(function: Callable[..., Finding]) -> "Entry":
        """From a function and its docstring; ValueError where that states no claim or no source."""
        paragraphs = [" ".join(part.split()) for part in (inspect.getdoc(function) or "").split("\n\n")]
        sources = [part.removeprefix("Source:").strip() for part in paragraphs if part.startswith("Source:")]
        if not paragraphs[0] or not sources:
            raise ValueError(f"{function.__name__}: begin its docstring with the claim and end it with 'Source: ...'")
        return Entry(function.__name__, paragraphs[0], sources[0], function)


def measure(entries: Sequence[Entry], out: Path, seeds: int, told: Callable[[str], None]) -> list[dict[str, Any]]:
    """Run entries one after the other, write their figures into `out`, and return a record of each.

    An entry that fails, or whose extra is missing, is a record that says so, and never the end of the run.
    """
    if seeds < 1:
        raise ValueError(f"seeds={seeds}: give at least 1")
    out.mkdir(parents=True, exist_ok=True)
    records = []
    for entry in entries:
        began = time.perf_counter()
        record: dict[str, Any] = {"name": entry.name, "claim": entry.claim, "source": entry.source}
        try:
            with precision("float64"):
                found = entry.measure(seeds=seeds)
            record |= {"measured": dict(found.measured), "holds": found.holds, "rule": "; ".join(found.checks)}
            record |= {"checks": dict(found.checks), "figures": _drawn(entry.name, found.figures, out)}
        except ImportError as error:
            record |= _nothing("skipped", str(error))
        except Exception as error:  # any: the others must still run
            record |= _nothing("failed", f"{type(error).__name__}: {error}")
        record["seconds"] = round(time.perf_counter() - began, 2)
        told(f"{entry.name}: {record['holds']} ({record['seconds']:.0f} s)")
        records.append(record)
    return records


def _nothing(verdict: str, reason: str) -> dict[str, Any]:
    return {"measured": {}, "holds": verdict, "rule": reason, "checks": {}, "figures": []}


def _drawn(name: str, figures: Mapping[str, Figure], out: Path) -> list[str]:
    """Write figures as `NAME.png` or `NAME-part.png`; their file names."""
    files = [f"{name}.png" if len(figures) == 1 else f"{name}-{part}.png" for part in figures]
    for file, figure in zip(files, figures.values(), strict=True):
        figure.savefig(out / file, dpi=130)
    return files
