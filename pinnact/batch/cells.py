"""Cells of a batch: problems x activations x networks x optimisers x seeds, each one call of `solve` in its own folder.

A batch file is TOML. Every key of a table `[[runs]]` is that of a cell, and a list stands for each of its values; keys
above the tables hold for all of them::

    budget = 60
    seed = [0, 1, 2]

    [[runs]]
    problem = ["pde/burgers", "pde/heat"]
    activation = ["tanh", "gelu"]

    [[runs]]
    problem = "pde/poisson"
    set = {dimension = [2, 3]}
"""

import hashlib
import itertools
import json
import math
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from pinnact import activations, library, networks
from pinnact.checkpoints import Checkpoints
from pinnact.files import one_line, shown
from pinnact.limits import Limits
from pinnact.model import Networks
from pinnact.problem import Problem
from pinnact.solution import Solution
from pinnact.training import solve, solve_seeds

MOST = 100_000  # cells of a table
KINDS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (float, int), "bool": (bool,)}


@dataclass(frozen=True)
class Cell:
    """What one run is given: the options of `pinnact solve`, by the same names."""

    problem: str
    activation: str = "tanh"
    network: str = "mlp"
    width: int | None = None
    depth: int | None = None
    optimiser: str = "auto"
    seed: int = 0
    budget: float | None = None
    steps: int | None = None
    precision: str = "float64"
    hard: bool = True
    allow_rough: bool = False
    set: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """A short name that changes with anything the outcome depends on: the cell, the problem's file, the version."""
        try:
            text = library.find(self.problem).read_text(encoding="utf-8")
        except (ValueError, OSError, UnicodeDecodeError):
            text = ""  # the run itself will say what is wrong
        version = sys.modules["pinnact"].__version__  # type: ignore[attr-defined]
        known = json.dumps([asdict(self), text, version], sort_keys=True)
        words = [Path(self.problem).stem, self.activation, self.optimiser, f"seed{self.seed}"]
        name = "-".join("".join(c for c in word if c.isalnum() or c in "._+") for word in words)
        return f"{name[:100]}-{hashlib.sha256(known.encode()).hexdigest()[:10]}"

    @property
    def alike(self) -> str:
        """What cells that differ by their seed have in common."""
        return json.dumps(asdict(self) | {"seed": None}, sort_keys=True)

    def made(self) -> tuple[Problem, Networks, dict[str, Any]]:
        """The problem, the recipe of the network, and the options of `solve`; ValueError for what doesn't exist."""
        problem = library.make(library.find(self.problem), self.set)
        sizes = {name: value for name, value in (("width", self.width), ("depth", self.depth)) if value is not None}
        recipe = networks.named(self.network, activations.get(self.activation), **sizes)
        taken = ("optimiser", "budget", "steps", "precision", "hard", "allow_rough")
        same: dict[str, Any] = {name: getattr(self, name) for name in taken}
        same["correct"] = False  # cells compare what training makes of networks and activations
        return problem, recipe, same


def solve_all(cells: Sequence[Cell], checkpoints: Sequence[Checkpoints]) -> list[Solution]:
    """Solve one cell, or several that differ by their seed only together; each goes on from its checkpoints."""
    problem, recipe, options = cells[0].made()
    if len(cells) == 1:
        return [solve(problem, recipe, seed=cells[0].seed, checkpoint=checkpoints[0], **options)]
    return solve_seeds(problem, recipe, seeds=[cell.seed for cell in cells], checkpoint=checkpoints, **options)


NAMES = tuple(entry.name for entry in fields(Cell))


def read(path: Path) -> list[Cell]:
    """The cells of a batch file; ValueError with the file and the table for what it can't mean."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {getattr(error, 'strerror', None) or 'it is no text'}") from error
    except (ValueError, RecursionError) as error:  # also of numbers with too many digits
        raise ValueError(f"{path} is no TOML: {one_line(error)}") from error
    runs = found.pop("runs", None)
    if not isinstance(runs, list) or not runs or not all(isinstance(table, dict) for table in runs):
        raise ValueError(f"{path}: it has no table [[runs]]; give at least one, with a problem")
    cells = []
    for number, table in enumerate(runs, 1):
        try:
            cells += expand(found | table)
        except ValueError as error:
            raise ValueError(f"{path}, table {number} of [[runs]]: {error}") from error
    return list({cell.key: cell for cell in cells}.values())


def expand(grid: Mapping[str, Any]) -> list[Cell]:
    """All cells of a grid: each key of a cell with a value or a list of them, `set` likewise argument by argument."""
    for name in grid:
        if name not in NAMES:
            raise ValueError(f"{shown(name)} is no key of a run; there are {', '.join(NAMES)}")
    if "problem" not in grid:
        raise ValueError("it names no problem")
    arguments = grid.get("set", {})
    if not isinstance(arguments, Mapping):
        raise ValueError(f"set = {shown(arguments)}: write a table of arguments, set = {{dimension = 3}}")
    axes = [(name, _values(name, value)) for name, value in grid.items() if name != "set"]
    inner = [(name, value if isinstance(value, list) else [value]) for name, value in arguments.items()]
    for name, values in (*axes, *inner):
        if not values:
            raise ValueError(f"{name} = []: give at least one value")
    for name, values in axes:
        for value in values if name in ("budget", "steps") else ():
            Limits(**{"budget": 60.0, name: value})
    for name, values in inner:
        for one in values:
            if not isinstance(one, str | int | float):
                raise ValueError(f"set.{name} = {shown(one)}: give numbers, texts, true or false")
    if (count := math.prod(len(values) for _, values in (*axes, *inner))) > MOST:
        raise ValueError(f"its lists make {count} cells, more than {MOST}: give shorter ones, in several files")
    cells = []
    for outer in itertools.product(*(values for _, values in axes)):
        for given in itertools.product(*(values for _, values in inner)):
            chosen = dict(zip((name for name, _ in axes), outer, strict=True))
            cells.append(Cell(**chosen, set=dict(zip((name for name, _ in inner), given, strict=True))))
    return cells


def _values(name: str, value: Any) -> list[Any]:
    """The values of one key as a list, each of the key's type."""
    values = list(value) if isinstance(value, list | tuple) else [value]
    annotation = str(next(entry.type for entry in fields(Cell) if entry.name == name)).removeprefix("<class '")
    kind = annotation.split(" ")[0].rstrip("'>")
    for one in values:
        right = isinstance(one, KINDS[kind]) and (kind == "bool" or not isinstance(one, bool))
        if not right or (isinstance(one, float) and not math.isfinite(one)):
            raise ValueError(f"{name} = {shown(one)}: it must be of type {kind}")
    return values
