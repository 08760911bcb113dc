"""Cases of bad input, the files that they name, and what a command must say of one.

The cases are in `test_bad_solve.py`, `test_bad_commands.py` and `test_bad_calls.py`, by what gets them;
`test_errors_page.py` makes a page of them all.
"""

import os
import re
import shlex
import shutil
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from made_up import DECAY
from toys import hydrogen

import pinnact as pn
from pinnact import cli, files, library
from pinnact.checkpoints import Checkpoints
from pinnact.potentials import InvariantMLP, fit, write_npz


class Command(NamedTuple):
    """A command line, its exit code, and words of its line in their order, `...` between them.

    `given` says what its files hold; `without` is a package that is not installed; `held` is a folder in use.
    """

    line: str
    says: str
    given: str = ""
    code: int = 2
    without: str = ""
    held: str = ""


class Call(NamedTuple):
    """A line of Python, its exception, and words of that."""

    line: str
    says: str
    error: type[Exception] = ValueError
    without: str = ""


TABLES = {  # for --observe
    "coordinate.csv": "x,z,u\n0,0,0\n",
    "unknown.csv": "x,t,w\n0,0,0\n",
    "words.csv": "x,t,u\n0,0,0\n1,0,fast\n",
    "nan.csv": "x,t,u\n0,nan,0\n",
    "huge.csv": "x,t,u\n0,0,1" + 400 * "0" + "\n",
    "ragged.csv": "x,t,u\n0,0\n",
    "twice.csv": "x,t,t\n0,0,0\n",
    "semicolons.csv": "x;t;u\n0;0;0\n",
    "empty.csv": "",
    "no_rows.csv": "x,t,u\n",
    "no_values.csv": "x,t\n0,0\n",
    "outside.csv": "x,t,u\n5,0,0\n",
}
BATCHES = {
    "no_tables.toml": "seed = 1\n",
    "no_key.toml": "[[runs]]\nproblem = 'pde/heat'\nactivations = 'tanh'\n",
    "no_problem.toml": "[[runs]]\nactivation = 'tanh'\n",
    "kind.toml": "[[runs]]\nproblem = 'pde/heat'\nseed = 'one'\n",
    "many.toml": "[[runs]]\nproblem = 'pde/heat'\n"
    + "".join(f"{k} = {[*range(99)]}\n" for k in ("seed", "width", "depth")),
    "broken.toml": "[[runs]\nproblem",
}


def make_files(folder):
    """All files that the cases name, in a folder; among them a run, and one whose checkpoints are damaged."""
    for name, text in (TABLES | BATCHES | {"letter.txt": "dear", "fine.csv": "x,t,u\n0,0,0\n"}).items():
        (folder / name).write_text(text)
    (folder / "binary.csv").write_bytes(bytes(range(256)))
    (folder / "broken.npz").write_bytes(b"PK no")
    (folder / "frames.xyz").write_text("")
    np.savez(folder / "noforces.npz", z=[1, 1], R=np.zeros((3, 2, 3)), E=np.zeros(3))
    write_npz(folder / "frames.npz", hydrogen(6))
    for name in ("taken", "locked", "cut"):
        (folder / name).mkdir()
    (folder / "taken" / "letter.txt").write_text("dear")
    fit(hydrogen(6), InvariantMLP(width=3, depth=1), steps=1).save(folder / "fitted")
    (folder / "cut" / "surface.npz").write_bytes((folder / "fitted" / "surface.npz").read_bytes()[:-300])
    (folder / "decay.py").write_text(DECAY)
    keep = Checkpoints(folder / "kept" / "checkpoints")
    problem = library.make(folder / "decay.py", {})
    pn.solve(problem, pn.MLP(4, 1), steps=2, optimiser="adam", checkpoint=keep).save(folder / "kept" / "solution.eqx")
    shutil.copytree(folder / "kept", folder / "damaged")
    for path in Checkpoints(folder / "damaged" / "checkpoints").files:
        path.write_bytes(path.read_bytes()[:-100])
    return folder


def cases(table):
    """Parameters of pytest for all cases of a table by titles."""
    return [pytest.param(case, id=case.line) for group in table.values() for case in group]


def hide(package, monkeypatch):
    """Importing a package fails, as where it is not installed."""
    for name in [package, *(name for name in sys.modules if name.startswith(f"{package}."))] if package else ():
        monkeypatch.setitem(sys.modules, name, None)


def matches(words, text):
    """Whether the parts of `words` come one after the other."""
    return re.search(".*".join(map(re.escape, words.split(" ... "))), text)


def check_command(case, capsys, monkeypatch):
    """A case of a command, run in this process: its exit code, and one line on standard error with its words."""
    if "locked" in case.line and os.access("locked", os.W_OK):
        pytest.skip("this user may write anywhere")
    hide(case.without, monkeypatch)
    words = shlex.split(case.line)
    takes_out = words[0] in ("solve", "compare", "atlas") or words[1:2] == ["fit"]
    words += ["--out", "run"] if takes_out and not {"--out", "--resume"} & set(words) and len(words) > 1 else []
    words += ["--quiet"] if words[1:2] == ["fit"] else []
    monkeypatch.setattr(sys, "argv", ["pinnact", *words])
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    with ExitStack() as stack:
        if case.held:
            stack.enter_context(files.held(Path(case.held)))
        with pytest.raises(SystemExit) as ended:
            cli.main()
    shown = capsys.readouterr()
    assert (ended.value.code, shown.out) == (case.code, ""), shown.err
    assert matches(case.says, shown.err), shown.err
    assert shown.err.startswith("pinnact: ") and shown.err.count("\n") == 1 and len(shown.err) < 600
