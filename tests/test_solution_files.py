"""Solutions survive files bit by bit, tell what is wrong with a file, and reach xarray and ParaView."""

import json
import subprocess
import sys
from math import pi

import equinox as eqx
import jax
import jax.numpy as jnp
import meshio
import numpy as np
import pytest
import xarray
from made_up import HEAT, disk, heat, swirl
from untrained import SMALL, untrained

import pinnact as pn
from pinnact.history import History
from pinnact.references import trigonometric_interpolant
from pinnact.solution import load


@pytest.fixture(scope="module")
def solution() -> pn.Solution:
    return untrained(heat())


# -- files --------------------------------------------------------------------------------------------------


def test_a_loaded_solution_is_bit_equal_in_a_fresh_process(solution, tmp_path):
    points = np.random.default_rng(0).uniform([-1, 0], [1, 1], (300, 2))
    solution.save(tmp_path / "solution.eqx")
    again = load(tmp_path, heat())
    np.testing.assert_array_equal(again(points), solution(points))
    assert again.summary == solution.summary and list(again.history) == list(solution.history)
    again.plot()
    np.save(tmp_path / "points.npy", points)
    script = (
        HEAT
        + f"""
from pinnact.solution import load
found = load({str(tmp_path / "solution.eqx")!r}, heat())
np.save({str(tmp_path / "values.npy")!r}, found(np.load({str(tmp_path / "points.npy")!r})))
"""
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=300)
    np.testing.assert_array_equal(np.load(tmp_path / "values.npy"), solution(points))


RECIPES = {
    "float32": (SMALL, "float32"),
    "activations": (pn.MLP(8, 2, activation=(pn.gelu, pn.adaptive(pn.sin, per="neuron"))), "float64"),
    "features": (pn.ModifiedMLP(8, 2, fourier=pn.Fourier(4, 2.0), factorised=True), "float64"),
    "pirate": (pn.PirateNet(8, 1, activation=pn.relu_power(3)), "float64"),
    "by unknown": ({"v": SMALL, "h": pn.MLP(4, 1, activation=pn.sin)}, "float64"),
}


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_rebuilt_from_the_header(name, tmp_path):
    recipe, dtype = RECIPES[name]
    problem = swirl()
    found = untrained(problem, recipe, dtype, seed=3)
    found.save(tmp_path / "a.eqx")
    again = pn.Solution.load(tmp_path / "a.eqx", problem)
    points = problem.domain.sample(40)
    for unknown, values in found(points).items():
        np.testing.assert_array_equal(again(points)[unknown], values)
    assert again.network == recipe or name == "activations"  # modules with arrays don't compare to one truth value
    again.save(tmp_path / "b.eqx")
    assert (tmp_path / "a.eqx").read_bytes() == (tmp_path / "b.eqx").read_bytes()


@pytest.mark.slow
def test_a_lift_carried_along_the_trained_field_is_made_again(tmp_path):
    domain = pn.Interval(x=(-5, 5), periodic=True) * pn.Time(t=(0, 0.2))
    cubic = lambda h: 1j * h.t + 0.5 * h.xx + h * h.conj() * h
    start = trigonometric_interpolant((-5, 5), 256, lambda x: 2 / np.cosh(x))
    kinked = pn.On(domain.initial, lambda h, x: h - start(x))
    problem = pn.Problem(domain, unknowns={"h": complex}, equations={"cubic": cubic}, conditions={"start": kinked})
    rough = pn.solve(problem, pn.MLP(width=4, depth=1), steps=8, points=pn.Points(interior=64))
    points = np.random.default_rng(0).uniform([-5, 0], [5, 0.2], (300, 2))
    for solution in (rough, rough.corrected(features=20, points=300)):
        assert len(solution.system.along) == 1
        solution.save(tmp_path / "solution.eqx")
        np.testing.assert_allclose(load(tmp_path, problem)(points), solution(points), rtol=0, atol=1e-13)


def test_the_header_can_be_read_without_the_library(solution, tmp_path):
    solution.save(tmp_path / "solution.eqx")
    header = json.loads((tmp_path / "solution.eqx").read_bytes().split(b"\n")[0])
    assert header["format"] == "pinnact solution" and header["problem"] == "heat"
    assert header["coordinates"] == {"x": [-1.0, 1.0], "t": [0.0, 1.0]} and header["coefficients"] == {
        "diffusivity": 0.2
    }
    assert header["network"]["recipe"] == "MLP" and header["network"]["activation"] == "tanh"
    assert header["summary"]["seed"] == 0 and header["arrays"][0]["shape"] == [8, 2]


def flipped(data: bytes) -> bytes:
    """One bit of the arrays turned over."""
    return data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-100], "damaged"),
        (flipped, "checksum"),
        (lambda data: data.replace(b'"seed": 0', b'"seed": 1'), "checksum"),
        (lambda data: data[:200], "no header"),
        (lambda data: b"", "no header"),
        (lambda data: b"\x89PNG" + data, "no header"),
        (lambda data: b'{"a": 1}\n', "does not say so"),
        (lambda data: b"[]\n", "does not say so"),
        (lambda data: data.replace(b'"version": 1', b'"version": 9'), "format 9"),
    ],
)
def test_damaged_files_are_told_in_one_line(solution, tmp_path, change, message):
    solution.save(tmp_path / "solution.eqx")
    file = tmp_path / "other.eqx"
    file.write_bytes(change((tmp_path / "solution.eqx").read_bytes()))
    with pytest.raises(ValueError, match=message) as error:
        load(file, heat())
    assert str(file) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (lambda: disk(), "saved with problem heat, the given problem has disk"),
        (lambda: heat(diffusivity=0.3), "coefficients"),
        (lambda: heat(amplitude=2.0), "data or the network differ"),
        (lambda: heat().infer(diffusivity=0.1), "the problem that was solved, without infer"),
    ],
)
def test_foreign_problems_are_refused(solution, tmp_path, problem, message):
    solution.save(tmp_path / "solution.eqx")
    with pytest.raises(ValueError, match=message) as error:
        load(tmp_path, problem())
    assert "\n" not in str(error.value)


class Own(eqx.Module):
    """A network of somebody's own."""

    weight: jax.Array
    power: int = eqx.field(static=True)

    def __call__(self, point):
        return self.weight @ jnp.sin(self.power * point)


def test_own_networks_are_given_again(tmp_path):
    own = Own(jnp.array([[1.0, 2.0]]), 1)
    found = untrained(heat(), own)
    found.save(tmp_path / "solution.eqx")
    with pytest.raises(ValueError, match="network="):
        load(tmp_path, heat())
    blank = eqx.tree_at(lambda n: n.weight, own, jnp.zeros((1, 2)))
    assert load(tmp_path, heat(), network=blank)(x=0.3, t=0.2) == found(x=0.3, t=0.2)
    with pytest.raises(ValueError, match="data or the network differ"):
        load(tmp_path, heat(), network=Own(jnp.zeros((1, 2)), 2))
    with pytest.raises(ValueError, match="the network needs"):
        load(tmp_path, heat(), network=SMALL)


def test_inferred_problems_are_loaded_with_their_guess(tmp_path):
    problem = heat().infer(diffusivity=pn.Positive(0.7))
    untrained(problem).save(tmp_path / "solution.eqx")
    again = load(tmp_path, heat().infer(diffusivity=pn.Positive(1.0)))
    assert again.unknowns["diffusivity"] == pytest.approx(0.7)


def test_a_folder_holds_what_the_contract_says(solution, tmp_path):
    solution.write(tmp_path / "new" / "folder")
    files = sorted(path.name for path in (tmp_path / "new" / "folder").iterdir())
    assert files == ["history.csv", "solution.eqx", "solution.png", "summary.json"]
    assert json.loads((tmp_path / "new/folder/summary.json").read_text()) == solution.summary
    assert len(History.read(tmp_path / "new/folder/history.csv")) == 3


# -- other tools --------------------------------------------------------------------------------------------


def test_xarray_has_names_values_and_holes(solution):
    data = solution.to_xarray({"x": 5, "t": [0.0, 0.5]})
    assert data["u"].dims == ("x", "t") and data.attrs["problem"] == "heat"
    np.testing.assert_array_equal(data["u"], solution(x=data["x"].values[:, None], t=data["t"].values))
    np.testing.assert_allclose(data["u_reference"].sel(t=0.0), np.sin(pi * data["x"]), atol=1e-12)
    assert solution.to_xarray().sizes == {"x": 129, "t": 129}
    holes = untrained(disk()).to_xarray(21)["u"]
    assert bool(np.isnan(holes[0, 0])) and not bool(np.isnan(holes[10, 10]))
    vector = untrained(swirl()).to_xarray(4)
    assert vector["v"].dims == ("x", "y", "v_component") and isinstance(vector, xarray.Dataset)
    for grid in ({"x": 3}, {"x": 3, "t": [[1.0]]}, 10**5):
        with pytest.raises(ValueError, match="grid"):
            solution.to_xarray(grid)


def volumes(mesh: meshio.Mesh) -> float:
    """The area of the triangles and the volume of the tetrahedra and wedges of a mesh."""
    cells = mesh.cells[0]
    corners = mesh.points[cells.data]
    if cells.type == "triangle":
        return float(
            np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
        )
    if cells.type == "tetra":
        return float(np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])).sum() / 6)
    base = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return float(np.abs(np.einsum("nk,nk->n", base, corners[:, 3] - corners[:, 0])).sum() / 2)


def test_vtk_holds_the_fields_on_structured_cells(solution, tmp_path):
    solution.to_vtk(tmp_path / "heat.vtu", n=9)
    mesh = meshio.read(tmp_path / "heat.vtu")
    assert mesh.cells[0].type == "quad" and len(mesh.cells[0].data) == 64
    np.testing.assert_array_equal(mesh.point_data["u"], solution(mesh.points[:, :2]))
    difference = np.abs(mesh.point_data["u"] - mesh.point_data["u_reference"])
    np.testing.assert_array_equal(mesh.point_data["u_error"], difference)
    solution.to_vtk(tmp_path / "instant.vtk", n=9, t=0.5)
    instant = meshio.read(tmp_path / "instant.vtk")
    assert instant.cells[0].type == "line"
    np.testing.assert_array_equal(instant.point_data["u"], solution(x=instant.points[:, 0], t=0.5))


DOMAINS = {
    "disk": (lambda: pn.Disk(), "triangle", pi, 17),
    "polygon": (lambda: pn.Polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)]), "triangle", 3.0, 17),
    "hole": (lambda: pn.Rectangle(x=(-2, 2), y=(-2, 2)) - pn.Disk(), "triangle", 16 - pi, 25),
    "mesh": (lambda: pn.Mesh([[0, 0], [1, 0], [1, 1], [0, 1]], [[0, 1, 2], [0, 2, 3]]), "triangle", 1.0, 9),
    "ball": (lambda: pn.Ball(), "tetra", 4 * pi / 3, 13),
    "cylinder": (lambda: pn.Disk() * pn.Time(t=(0, 2)), "wedge", 2 * pi, 17),
}


@pytest.mark.parametrize("name", DOMAINS)
def test_vtk_meshes_fill_domains_that_are_no_boxes(name, tmp_path):
    make, kind, volume, n = DOMAINS[name]
    domain = make()
    problem = pn.Problem(domain, equations={"flat": lambda u: u.x}, name=name)
    found = untrained(problem)
    found.to_vtk(tmp_path / "mesh.vtu", n=n)
    mesh = meshio.read(tmp_path / "mesh.vtu")
    assert mesh.cells[0].type == kind
    assert volumes(mesh) == pytest.approx(volume, rel=0.04)
    np.testing.assert_array_equal(mesh.point_data["u"], found(mesh.points[:, : domain.dimension]))


def test_vtk_of_vectors_complex_numbers_and_too_many_axes(tmp_path):
    found = untrained(swirl())
    found.to_vtk(tmp_path / "swirl.vtu", n=3)
    data = meshio.read(tmp_path / "swirl.vtu").point_data
    assert data["v"].shape == (9, 3) and data["v_error"].shape == (9,) and {"h_abs", "h_real", "h_imag"} < set(data)
    box = pn.Box(a=(0, 1), b=(0, 1), c=(0, 1)) * pn.Time(t=(0, 1))
    found = untrained(pn.Problem(box, equations={"flat": lambda u: u.t}))
    with pytest.raises(ValueError, match="fix some"):
        found.to_vtk(tmp_path / "box.vtu")
    with pytest.raises(ValueError, match="no such coordinate"):
        found.to_vtk(tmp_path / "box.vtu", s=1.0)
    found.to_vtk(tmp_path / "box.vtu", n=4, t=1.0)
    assert meshio.read(tmp_path / "box.vtu").cells[0].type == "hexahedron"


@pytest.mark.parametrize(("module", "call"), [("xarray", "to_xarray"), ("meshio", "to_vtk")])
def test_missing_extras_are_named(solution, tmp_path, monkeypatch, module, call):
    monkeypatch.setitem(sys.modules, module, None)
    arguments = () if call == "to_xarray" else (tmp_path / "a.vtu",)
    with pytest.raises(ImportError, match="pip install 'pinnact"):
        getattr(solution, call)(*arguments)
