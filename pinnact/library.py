"""Finding problems: a file anywhere on disk, or a name such as `pde/burgers`."""

import difflib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pinnact.problem import UNNAMED, Problem

SHIPPED = Path(__file__).parent / "problems"


def find(name: str) -> Path:
    """The file of a problem: a path, else `./problems/NAME.py`, else the copy that is shipped with the package.

    Raises ValueError when there is none, naming some that exist.
    """
    direct = Path(name)
    if direct.suffix == ".py" and direct.is_file():
        return direct
    for root in _roots():
        candidate = root / (name if name.endswith(".py") else f"{name}.py")
        if candidate.is_file():
            return candidate
    known = names()
    stem = Path(name).stem
    near = [other for other in known if stem and stem in other] or difflib.get_close_matches(name, known)
    hint = f"did you mean {' or '.join(near)}?" if near else "`pinnact problems` lists all"
    raise ValueError(f"no problem {name!r}: no such file, nor in ./problems or the package; {hint}")


def names() -> list[str]:
    """The names of all problems in `./problems` and in the package."""
    files = [(root, path) for root in _roots() for path in root.glob("*/*.py") if not path.name.startswith("_")]
    return sorted({path.relative_to(root).with_suffix("").as_posix() for root, path in files})


def _roots() -> list[Path]:
    checkout = Path(__file__).parent.parent / "problems"
    return [root for root in (Path("problems"), SHIPPED, checkout) if root.is_dir()]


def load(path: Path) -> Callable[..., Any]:
    """The public function of a problem file: the one with the file's name, else the only one, or the only one that can
    be called without arguments (so that a file may hold its exact solution as well).

    Raises ValueError, with the file and line, when the file itself raises.
    """
    spec = importlib.util.spec_from_file_location(f"pinnact_problem_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # dataclasses (and so Equinox modules) look their annotations up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ValueError(f"{path}{_line(path, error)} raised {type(error).__name__}: {_first(error)}") from error
    own = {k: v for k, v in vars(module).items() if inspect.isfunction(v) and v.__module__ == module.__name__}
    public = {name: function for name, function in own.items() if not name.startswith("_")}
    if path.stem in public:
        return public[path.stem]
    free = {name: function for name, function in public.items() if len(public) == 1 or _is_complete(function)}
    if len(free) != 1:
        found = f"; of {', '.join(public)} none is the only one that takes no arguments" if public else ""
        raise ValueError(f"{path} has no function {path.stem}() that returns a pn.Problem; define it{found}")
    return next(iter(free.values()))


def _is_complete(function: Callable[..., Any]) -> bool:
    """Whether a function can be called as it is."""
    return all(
        parameter.default is not parameter.empty for parameter in inspect.signature(function).parameters.values()
    )


def make(path: Path, arguments: Mapping[str, Any]) -> Problem:
    """The problem that a file's function returns for these arguments; ValueError with what went wrong otherwise."""
    function = load(path)
    parameters = inspect.signature(function).parameters
    for name in arguments:
        if name not in parameters:
            raise ValueError(f"{path.stem}() has no argument {name!r}; it has {', '.join(parameters) or 'none'}")
    try:
        problem = function(**arguments)
    except ValueError as error:
        raise ValueError(f"{path}{_line(path, error)}: {_first(error)}") from error
    except (Exception, SystemExit) as error:
        raise ValueError(f"{path}{_line(path, error)} raised {type(error).__name__}: {_first(error)}") from error
    if not isinstance(problem, Problem):
        kind = type(problem).__name__
        repair = "use `pinnact potential fit`" if kind == "Task" else "return a pn.Problem"
        raise ValueError(f"{function.__name__}() in {path} returned a {kind}; {repair}")
    return replace(problem, name=function.__name__) if problem.name == UNNAMED else problem


def _first(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _line(path: Path, error: BaseException) -> str:
    """`:12`, the deepest line of the file that the error passed through."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f":{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).absolute() == path.absolute()]
    return f":{lines[-1]}" if lines else ""
