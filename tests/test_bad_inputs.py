"""Bad input and what it gets, in one table: the exit code or the exception, and one line that says what to repair.

`docs/errors.md` shows the table. `python tests/test_bad_inputs.py` writes it anew after a change here.
"""
# ruff: noqa: E501  (one line a case)

import os
import re
import shlex
import shutil
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
from made_up import heat
from toys import hydrogen

import pinnact as pn
from pinnact import cli, files, library
from pinnact.checkpoints import Checkpoints
from pinnact.potentials import InvariantMLP, fit, write_npz

DOCS = Path(__file__).parents[1] / "docs" / "errors.md"


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

COMMANDS = {
    "Problems and options of `solve`": [
        Command("solve pde/burger", "no problem 'pde/burger' ... did you mean pde/burgers?"),
        Command("solve pde/burgres", "no problem 'pde/burgres' ... did you mean pde/burgers"),
        Command("solve .", "no problem '.'"),
        Command("solve", "Missing argument"),
        Command("slove pde/heat", "No such command 'slove' ... solve"),
        Command("solve pde/heat --activation tahn", "'tahn' is no activation, did you mean tanh"),
        Command("solve pde/heat --activation 'relu_power(0)'", "relu_power: k=0 gives no C^(k-1) function"),
        Command("solve pde/burgers --activation relu", "'momentum' takes u.xx, but a network with relu is C^0 ... --allow-rough"),
        Command("solve pde/heat --optimizer adam", "No such option: --optimizer ... --optimiser"),
        Command("solve pde/heat --optimiser adm", "'adm' ... did you mean 'adam'"),
        Command("solve pde/heat --engine jet", "engine 'jet' is unknown; choose one of forward, hessian"),
        Command("solve pde/heat --network mpl", "network 'mpl' is unknown; choose one of mlp"),
        Command("solve pde/heat --width wide", "Invalid value for '--width'"),
        Command("solve pde/heat --width 0", "width=0 is no size of a network; give a whole number of 1 or more"),
        Command("solve pde/heat --depth -1", "depth=-1 is no size of a network"),
        Command("solve pde/heat --budget 0", "budget=0.0: it must be above 0 and finite"),
        Command("solve pde/heat --budget nan", "budget=nan: it must be above 0 and finite"),
        Command("solve pde/heat --steps -3", "steps=-3: it must be above 0"),
        Command("solve pde/heat --seed -1", "seed=-1: give a whole number from 0"),
        Command("solve pde/heat --checkpoint-every -1", "--checkpoint-every ... -1 seconds between two checkpoints; give 0 or more"),
        Command("solve pde/heat --checkpoint-every nan", "--checkpoint-every ... nan seconds"),
        Command("solve pde/heat --set speed=1", "heat() has no argument 'speed'; it has diffusivity"),
        Command("solve pde/heat --set diffusivity", "--set 'diffusivity': write NAME=VALUE"),
        Command("solve pde/poisson --set dimension=0", "dimension=0"),
        Command("solve pde/poisson --set dimension=two", "poisson.py: ... TypeError"),
        Command("solve pde/heat --device tpu", "--device tpu: JAX sees no such device here, only cpu"),
    ],
    "`--infer` and `--observe`": [
        Command("solve pde/burgers --infer viscosity=0.1", "--infer needs data: give --observe FILE.csv"),
        Command("solve pde/burgers --infer nu=0.1", "no such coefficient; declared are: viscosity"),
        Command("solve pde/burgers --infer viscosity=thick", "viscosity=thick: give a number, positive:NUMBER or network"),
        Command("solve pde/burgers --infer viscosity=negative:1", "give a number, positive:NUMBER"),
        Command("solve pde/burgers --infer viscosity=positive:-1 --observe fine.csv", "Positive(-1): the first guess must be above 0; give a positive number"),
        Command("solve pde/burgers --observe nowhere.csv", "--observe nowhere.csv: No such file"),
        Command("solve pde/burgers --observe binary.csv", "binary.csv: it is no text in CSV", "bytes"),
        Command("solve pde/burgers --observe coordinate.csv", "no column 't'; it has x, z, u"),
        Command("solve pde/burgers --observe unknown.csv", "column 'w' is none of x, t, u"),
        Command("solve pde/burgers --observe words.csv", "line 3: 'fast' is no finite number"),
        Command("solve pde/burgers --observe nan.csv", "line 2: 'nan' is no finite number"),
        Command("solve pde/burgers --observe huge.csv", "line 2: '1000 ... is no finite number", "a number of 401 digits"),
        Command("solve pde/burgers --observe ragged.csv", "line 2: 2 cells, the header names 3 different columns"),
        Command("solve pde/burgers --observe twice.csv", "line 2: 3 cells, the header names 2 different columns"),
        Command("solve pde/burgers --observe semicolons.csv", "'0;0;0' is no finite number; separate columns by commas"),
        Command("solve pde/burgers --observe empty.csv", "it holds no data; give a header line", "nothing"),
        Command("solve pde/burgers --observe no_rows.csv", "it holds no data; give a header line"),
        Command("solve pde/burgers --observe no_values.csv", "no values"),
        Command("solve pde/burgers --observe outside.csv", "x=5 lies outside x=(-1, 1)"),
    ],
    "Folders and `--resume`": [
        Command("solve pde/heat --out taken", "taken holds another run or other files; choose another --out", "a folder with a letter"),
        Command("solve pde/heat --out letter.txt", "letter.txt can't be written", "a file"),
        Command("solve pde/heat --out letter.txt/run", "letter.txt is no folder that you may write to", "a file"),
        Command("solve pde/heat --out locked/run", "locked is no folder that you may write to", "a folder without write permission"),
        Command("solve pde/heat --resume", "--resume needs --out DIR"),
        Command("solve pde/heat --out taken --resume", "taken holds another run or other files; choose another --out", "a folder with a letter"),
        Command("solve decay.py --out kept", "kept holds another run or other files; add --resume to go on with it", "a run"),
        Command("solve decay.py --out kept --resume", "kept/checkpoints is in use by another process", "a run that is still at work", held="kept/checkpoints"),
        Command("solve decay.py --width 4 --depth 1 --out kept --resume --seed 1", "of another run, seed was 0 and is 1; give the same, or another folder", "a run with seed 0"),
        Command("solve pde/heat --out kept --resume", "of another run, problem was decay and is heat", "a run of another problem"),
        Command("solve decay.py --out damaged --resume", "damaged/checkpoints holds no checkpoint that is whole; remove it to start anew", "a run whose checkpoints were cut off"),
    ],
    "`compare`": [
        Command("compare pde/heat --seeds 0", "--seeds 0: give at least 1"),
        Command("compare pde/heat --widths 4,wide", "--widths '4,wide': give whole numbers separated by commas"),
        Command("compare pde/heat --activations tanh,", "--activations 'tanh,': give names separated by commas"),
        Command("compare pde/heat --steps 0", "steps=0: it must be above 0"),
        Command("compare pde/heat --budget -1", "budget=-1.0: it must be above 0"),
        Command("compare pde/heat --workers -1", "--workers -1: give the runs at a time, or 0"),
        Command("compare pde/heat --set diffusivity", "--set 'diffusivity': write NAME=VALUE"),
        Command("compare pde/heat --checkpoint-every -1", "--checkpoint-every ... -1 seconds"),
        Command("compare pde/heat --out taken", "taken holds another run or other files", "a folder with a letter"),
        Command("compare pde/heat --resume", "--resume needs --out DIR"),
        Command("compare pde/heat --cluster local", "pip install 'pinnact[cluster]'", "no distributed", without="distributed"),
        Command("compare nowhere.toml", "nowhere.toml: No such file"),
        Command("compare broken.toml", "broken.toml is no TOML"),
        Command("compare broken.toml pde/heat", "broken.toml is a batch file: give it alone"),
        Command("compare no_tables.toml", "it has no table [[runs]]"),
        Command("compare no_key.toml", "table 1 of [[runs]]: 'activations' is no key of a run; there are problem, activation"),
        Command("compare no_problem.toml", "table 1 of [[runs]]: it names no problem"),
        Command("compare kind.toml", "seed = 'one': it must be of type int"),
        Command("compare many.toml", "its lists make 970299 cells, more than 100000", "three lists of 99"),
    ],
    "`potential`": [
        Command("potential fit missing.npz", "no file missing.npz; give an npz, extended XYZ"),
        Command("potential fit potentials/nothing", "no problem 'potentials/nothing'"),
        Command("potential fit pde/heat", "pde/heat is no potential; give a file of frames"),
        Command("potential fit broken.npz", "broken.npz: can't be read as npz", "a damaged file"),
        Command("potential fit noforces.npz", "noforces.npz: has no forces (one of F, forces, force); it has z, R, E"),
        Command("potential fit frames.npz --units furlong", "unknown unit of energy 'furlong'; known are ev"),
        Command("potential fit potentials/ethanol --units kcal/mol", "potentials/ethanol is no file of data and knows its units"),
        Command("potential fit frames.npz --model magic", "model 'magic' is unknown; choose one of auto, invariant"),
        Command("potential fit frames.npz --model invariant --activation tanhh", "'tanhh' is no activation, did you mean tanh"),
        Command("potential fit frames.npz --model kernel --activation tanh", "KernelPotential (asked for) has no activation"),
        Command("potential fit frames.npz --model invariant --activation relu --steps 1", "forces would jump"),
        Command("potential fit frames.npz --train 5000", "don't fit 6 frames"),
        Command("potential fit frames.npz --train 1 --model invariant --steps 1", "1 frames are too few to train on and hold 1 out"),
        Command("potential fit frames.npz --budget 0", "budget=0.0: it must be above 0"),
        Command("potential fit frames.npz --seed -1", "seed=-1: give a whole number, 0 or more"),
        Command("potential fit frames.npz --members 0", "members=0: one has no spread"),
        Command("potential fit frames.npz --model kernel --members 3", "KernelPotential is solved, not trained"),
        Command("potential fit frames.npz --checkpoint-every -1", "--checkpoint-every ... -1 seconds"),
        Command("potential fit frames.xyz", "reading frames.xyz needs ase: pip install 'pinnact[chem]'", "no ase", without="ase"),
        Command("potential test nowhere frames.npz", "nowhere holds no surface.npz; give the folder that `potential fit --out` wrote"),
        Command("potential test cut frames.npz", "surface.npz is damaged or no surface ... fit it again", "a surface that was cut off"),
        Command("potential test fitted potentials/ammonia", "atoms N H H H; this surface is of the molecule H H, in that order"),
        Command("potential frequencies nowhere", "nowhere holds no surface.npz"),
        Command("potential frequencies fitted", "no geometry is known for this molecule; give a file", "a surface of H2"),
        Command("potential frequencies fitted nowhere.xyz", "no file nowhere.xyz; give an xyz"),
        Command("potential frequencies fitted potentials/ammonia", "this surface is of the molecule H H"),
        Command("potential frequencies fitted frames.npz --out taken", "taken holds another run or other files", "a folder with a letter"),
        Command("potential dynamics fitted frames.npz --steps 0", "steps=0, every=10"),
        Command("potential dynamics fitted frames.npz --timestep 0", "timestep=0.0: give a positive step in fs"),
        Command("potential dynamics fitted frames.npz --temperature -1", "temperature=-1.0 is no temperature; give 0 K or more"),
        Command("potential dynamics fitted frames.npz --every 0", "every=0, timestep=0.5: give a positive step in fs, and steps that are a multiple of every"),
        Command("potential dynamics fitted frames.npz --seed -1", "seed=-1: give a whole number, 0 or more"),
    ],
    "`atlas`, `problems`, `doctor`": [
        Command("atlas kinky", "no problem 'activations/kinky'"),
        Command("atlas --seeds 0", "--seeds 0: give at least 1"),
        Command("atlas decay.py", "decay: begin its docstring with the claim", "a problem, no entry"),
        Command("atlas --out taken", "taken holds another run or other files", "a folder with a letter"),
        Command("problems pde", "unexpected extra argument ... (pde)"),
        Command("doctor --fix", "No such option: --fix"),
    ],
}  # fmt: skip

DOMAIN = "pn.Interval(x=(0, 1))"
CALLS = {
    "Problems": [
        Call(f"pn.Problem({DOMAIN}, equations={{}})", "a problem needs at least one equation; give equations={'name': residual}"),
        Call(f"pn.Problem({DOMAIN}, equations={{'eq': lambda u: u.xz}})", "'eq': u.xz: no derivative of that name; the coordinates are x"),
        Call(f"pn.Problem({DOMAIN}, equations={{'eq': lambda u, y: u.xx}})", "asks for 'y'; it can have u, x"),
        Call("pn.Problem(3, equations={'eq': lambda u: u.xx})", "domain"),
        Call("heat().infer(speed=1.0)", "speed ... no such coefficient; declared are: diffusivity"),
        Call("heat().infer(diffusivity='fast')", "diffusivity"),
        Call("heat().observe([[0.0]], u=[1.0])", "observe: points of shape (1, 1); give (n, 2) with columns x, t"),
        Call("heat().observe([[0.0, 0.0]], u=[1.0, 2.0])", "observe: u of shape (2,); give values of shape (1,)"),
        Call("heat().observe([[0.0, 0.0]], w=[1.0])", "observe(w=...): no such unknown; the unknowns are u"),
        Call("heat().observe([[0.0, 0.0]], u=[jnp.nan])", "observe: u is not finite in row 0"),
        Call("heat().observe([[9.0, 0.0]], u=[1.0])", "x=9 lies outside x=(-1, 1)"),
        Call("heat().observe([[0.0, 0.0]])", "observe: no values; give them by unknown"),
    ],
    "Domains": [
        Call("pn.Interval(x=(1, 1))", "x=(1, 1) has no length"),
        Call("pn.Interval(x=(0, float('nan')))", "x=(0, nan)"),
        Call("pn.Rectangle(x=(0, 1), y=(2, 1))", "y=(2, 1)"),
        Call("pn.Rectangle(x=(0, 1), y=(0, 1), periodic=('z',))", "'z'"),
        Call("pn.Disk(radius=0)", "radii (0.0, 0.0) must be positive and finite"),
        Call("pn.Disk(radius=float('inf'))", "radii (inf, inf) must be positive and finite"),
        Call("pn.Polygon([(0, 0), (1, 0)])", "corners"),
        Call("pn.Mesh([[0, 0], [1, 0], [1, 1]], [[0, 1, 7]])", "the cells must name vertices from 0 to 2"),
        Call("pn.Mesh([[0, 0], [1, 0], [float('nan'), 1]], [[0, 1, 2]])", "a vertex is not finite"),
        Call("pn.read_mesh('nowhere.msh')", "there is no mesh file 'nowhere.msh'"),
        Call("pn.read_mesh('letter.txt')", "meshio can't read 'letter.txt'"),
        Call("pn.read_mesh('letter.txt')", "pip install 'pinnact[geometry]'", ImportError, without="meshio"),
        Call(f"{DOMAIN}.boundary['top']", "has no part 'top': it has x_min = left, x_max = right"),
    ],
    "Networks and activations": [
        Call("pn.MLP(width=0)", "width=0 is no size of a network"),
        Call("pn.MLP(width=2.5)", "width=2.5 is no size of a network"),
        Call("pn.MLP(activation='tanh')", "activation='tanh' is none; give pn.tanh"),
        Call("pn.MLP(depth=3, activation=[pn.tanh, pn.sin])", "2 activations for 3 hidden layers"),
        Call("pn.Fourier(0)", "count=0 is no size"),
        Call("pn.activations.get('tahn')", "'tahn' is no activation, did you mean tanh"),
        Call("pn.activations.get('bspline(1000000000)')", "make no continuous spline"),
        Call("pn.activations.get('3')", "'3' is a value and no activation"),
        Call("pn.relu_power(0)", "k=0 gives no C^(k-1) function"),
        Call("pn.elu_of(-1.0)", "alpha"),
    ],
    "Solving, saving, loading": [
        Call("pn.solve(heat, steps=1)", "is no pn.Problem; call the problem's function first"),
        Call("pn.solve(heat(), steps=0)", "steps=0: it must be above 0"),
        Call("pn.solve(heat(), pn.MLP(activation=pn.relu), steps=1)", "takes u.xx, but a network with relu is C^0", pn.SmoothnessError),
        Call("pn.solve(heat(), pn.MLP, steps=1)", "network=MLP is no network; give a recipe such as pn.MLP()"),
        Call("pn.solve(heat(), optimiser='adm', steps=1)", "'adm' ... did you mean 'adam'"),
        Call("pn.solve(heat(), optimiser=[], steps=1)", "has no stage; give at least one"),
        Call("pn.solve(heat(), precision='float16', steps=1)", "float16"),
        Call("pn.solve(heat(), seed=1.5, steps=1)", "seed=1.5: give a whole number"),
        Call("pn.solve(heat(), steps=1, checkpoint=Checkpoints('run', every=-1))", "every=-1: give the seconds"),
        Call("pn.load('nowhere.eqx', heat())", "nowhere.eqx", FileNotFoundError),
        Call("pn.load('letter.txt', heat())", "letter.txt: cut off or no pinnact solution"),
        Call("pn.load('kept', heat())", "saved with problem decay, the given problem has heat"),
    ],
    "Potentials": [
        Call("pn.potentials.read('nowhere.npz')", "no file nowhere.npz", FileNotFoundError),
        Call("pn.potentials.read('broken.npz')", "broken.npz: can't be read as npz"),
        Call("pn.potentials.read('frames.npz', units='miles')", "unknown unit of energy 'miles'"),
        Call("pn.potentials.read('letter.txt')", "letter.txt: ASE can't read it"),
        Call("pn.potentials.load('nowhere')", "nowhere holds no surface.npz", FileNotFoundError),
        Call("pn.potentials.load('cut')", "is damaged or no surface"),
        Call("pn.potentials.fit(hydrogen(6), pn.potentials.InvariantMLP(), validation=2.0, steps=1)", "validation=2.0 is no share of the frames"),
        Call("pn.potentials.Geometry([1, 1], [[0, 0, 0]])", "positions of shape (1, 3) for 2 atoms"),
        Call("hydrogen(6).split(train=9)", "don't fit 6 frames"),
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with all files that the cases name."""
    folder = tmp_path_factory.mktemp("made")
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
    return folder


DECAY = """
import numpy as np
import pinnact as pn

def decay():
    domain = pn.Time(t=(0, 1))
    return pn.Problem(
        domain,
        coefficients={"rate": 1.0},
        equations={"decay": lambda u, rate: u.t + rate * u},
        conditions={"start": pn.On(domain.initial, lambda u: u - 1)},
    )
"""


@pytest.fixture(scope="module")
def kept(made):
    """The same, with a run, and with one whose checkpoints are damaged."""
    keep = Checkpoints(made / "kept" / "checkpoints")
    problem = library.make(made / "decay.py", {})
    pn.solve(problem, pn.MLP(4, 1), steps=2, optimiser="adam", checkpoint=keep).save(made / "kept" / "solution.eqx")
    shutil.copytree(made / "kept", made / "damaged")
    for path in Checkpoints(made / "damaged" / "checkpoints").files:
        path.write_bytes(path.read_bytes()[:-100])
    return made


def cases(table):
    return [pytest.param(case, id=case.line) for group in table.values() for case in group]


@pytest.fixture
def place(kept, monkeypatch):
    """The working folder of a case, looked at before and after: nothing may be written."""
    monkeypatch.chdir(kept)
    content = lambda: {
        path: path.read_bytes() if path.is_file() else None
        for path in kept.rglob("*")
        if "__pycache__" not in path.parts
    }
    before = content()
    (kept / "locked").chmod(0o500)
    yield
    (kept / "locked").chmod(0o700)
    assert content() == before


def hide(package, monkeypatch):
    """Importing a package fails, as where it is not installed."""
    for name in [package, *(name for name in sys.modules if name.startswith(f"{package}."))] if package else ():
        monkeypatch.setitem(sys.modules, name, None)


def matches(words, text):
    """Whether the parts of `words` come one after the other."""
    return re.search(".*".join(map(re.escape, words.split(" ... "))), text)


@pytest.mark.parametrize("case", cases(COMMANDS))
def test_a_bad_command_gets_one_line(case, place, capsys, monkeypatch):
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


@pytest.mark.parametrize("case", cases(CALLS))
def test_a_bad_call_gets_one_line(case, place, monkeypatch):
    hide(case.without, monkeypatch)
    with pytest.raises(case.error) as caught:
        eval(case.line, {"pn": pn, "jnp": jnp, "heat": heat, "hydrogen": hydrogen, "Checkpoints": Checkpoints})
    said = str(caught.value)
    assert matches(case.says, said), said
    assert type(caught.value) is case.error and "\n" not in said and len(said) < 600


# -- the page ----------------------------------------------------------------------------------------------------------


def page():
    """`docs/errors.md`."""
    lines = [INTRODUCTION]
    for title, group in COMMANDS.items():
        lines += ["", f"### {title}", "", "| `pinnact ...` | given | exit | says |", "|---|---|---|---|"]
        lines += [row(f"`{c.line}`", given_words(c), str(c.code), c.says) for c in group]
    lines += ["", "## In Python"]
    for title, group in CALLS.items():
        lines += ["", f"### {title}", "", "| call | raises | says |", "|---|---|---|"]
        lines += [
            row(f"`{c.line}`", c.error.__name__ + (f", without {c.without}" * bool(c.without)), c.says) for c in group
        ]
    return "\n".join(lines) + "\n"


INTRODUCTION = """# Bad input, and what it gets

Wrong input gets one line on standard error and exit code 2 (Python: an exception, ValueError unless said otherwise).
The line names the value, the reason and the repair. Nothing is written, and no traceback is shown. `...` stands for
words that are left out here. Other exit codes: 1 for what failed without being wrong input (a full disk, too little
memory), 3 for training that left the finite numbers, 130 and 143 for a run that a signal ended.

`tests/test_bad_inputs.py` holds these tables and tests every line of them; `python tests/test_bad_inputs.py` writes
this page anew.

## On the command line"""


def given_words(case):
    """What is in the files of a case."""
    file = next((word for word in shlex.split(case.line) if word in TABLES | BATCHES), None)
    if case.given or file is None:
        return case.given
    return "`" + (TABLES | BATCHES)[file].strip().replace("\n", "` / `") + "`"


def row(*cells):
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def test_the_page_is_true_to_the_tables():
    assert DOCS.read_text(encoding="utf-8") == page(), f"write it anew: python {Path(__file__).name}"
    assert sum(map(len, COMMANDS.values())) + sum(map(len, CALLS.values())) >= 40


if __name__ == "__main__":
    DOCS.write_text(page(), encoding="utf-8")
