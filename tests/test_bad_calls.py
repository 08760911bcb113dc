"""What bad input to Python gets; `python tests/test_errors_page.py` writes `docs/errors.md` after a change."""
# ruff: noqa: E501  (one line a case)

import jax.numpy as jnp
import pytest
from bad_inputs import Call, cases, hide, matches
from made_up import heat
from toys import hydrogen

import pinnact as pn
from pinnact.checkpoints import Checkpoints

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
        Call("pn.potentials.fit(hydrogen(6), pn.potentials.InvariantMLP(), precision='mixed')", "fit a surface in 'float32' or 'float64'"),
        Call("pn.potentials.fit(hydrogen(6), pn.potentials.InvariantMLP(), validation=2.0, steps=1)", "validation=2.0 is no share of the frames"),
        Call("pn.potentials.Geometry([1, 1], [[0, 0, 0]])", "positions of shape (1, 3) for 2 atoms"),
        Call("hydrogen(6).split(train=9)", "don't fit 6 frames"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", cases(CALLS))
def test_a_bad_call_gets_one_line(case, among_bad_files, monkeypatch):
    hide(case.without, monkeypatch)
    with pytest.raises(case.error) as caught:
        eval(case.line, {"pn": pn, "jnp": jnp, "heat": heat, "hydrogen": hydrogen, "Checkpoints": Checkpoints})
    said = str(caught.value)
    assert matches(case.says, said), said
    assert type(caught.value) is case.error and "\n" not in said and len(said) < 600
