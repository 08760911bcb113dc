"""The shipped problems: exact solutions leave no residual, references solve them, exact values are built in."""

import ast
import importlib.util
import time
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pinnact as pn
from pinnact.compatibility import smooth_periodic_extension
from pinnact.fields import Field
from pinnact.lifts import for_problem
from pinnact.operators import forward
from pinnact.residuals import by_name, fields_at
from pinnact.scoring import reference_values

FILES = sorted((Path(__file__).parents[1] / "problems" / "pde").glob("*.py"))
NAMES = [path.stem for path in FILES]

# Every other problem has an exact formula as its reference: a new file needs no entry here.
NUMERICAL = ("allen_cahn", "burgers", "kuramoto_sivashinsky", "lotka_volterra", "schroedinger")
WITHOUT = ("cavity",)
FORMULAS = [(name, {}) for name in NAMES if name not in (*NUMERICAL, *WITHOUT)] + [
    ("poisson", {"dimension": 1}),
    ("poisson", {"dimension": 3}),
    ("poisson", {"dimension": 5, "solution": "cos_sum"}),
    ("poisson", {"dimension": 10, "solution": "harmonic"}),
    ("poisson", {"dimension": 100, "solution": "norm"}),
    ("heat", {"diffusivity": 0.1}),
    ("helmholtz", {"wave_number": 3.0, "waves_x": 2, "waves_y": 3}),
    ("advection", {"speed": -3.0}),
    ("wave", {"speed": 0.7}),
    ("pulse", {"speed": 2.0, "width": 0.2, "centre": 0.6}),
    ("navier_cauchy", {"lame": 2.0, "shear": 0.7, "load": 1.5}),
    ("conductivity", {"dimension": 1}),
    ("conductivity", {"dimension": 3}),
]
SOFT = {  # conditions that stay residuals; all others are built in
    "cavity": {"lid", "corner"},  # a jump; a single point
    "navier_cauchy": {"sides_stress", "top_stress"},
    "solitons": {"right_slope"},  # beside the value at the same wall
}


def make(name, **arguments):
    """The problem of a file, loaded from its path as a user's own file would be."""
    spec = importlib.util.spec_from_file_location(name, FILES[NAMES.index(name)])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)(**arguments)


def label(case):
    return "-".join([case[0], *map(str, case[1].values())]) if isinstance(case, tuple) else None


def functions(problem, fields):
    """Fields by unknown, and the coefficients, as functions of a point."""
    fields = fields if isinstance(fields, dict) else {next(iter(problem.fields)): fields}
    named = {name: by_name(f, problem.domain.coordinates) for name, f in fields.items()}
    return named | problem.coefficient_functions()


def sizes(problem, fields, residual, points):
    """The largest value or derivative, at the points, that a residual takes: the size of its terms, at least 1."""
    given, largest = functions(problem, fields), [1.0]
    for name, indices in problem.residuals_by_name[residual].record.indices.items():
        table = jax.jit(jax.vmap(lambda q, f=given[name], i=indices: list(forward(f, q, i).values())))(points)
        largest += [float(jnp.max(jnp.abs(values))) for values in table]
    return max(largest)


def relative_residuals(problem, fields, tolerance):
    """The names of the residuals that exceed the tolerance, relative to the size of their terms."""
    worst = {}
    for name, rows in problem.residuals(fields, n=64).items():
        points = jnp.asarray(problem.region(name).sample(64).points)
        worst[name] = float(np.max(np.abs(rows))) / sizes(problem, fields, name, points)
    return {name: value for name, value in worst.items() if not value <= tolerance}


def network(problem, seed=0):
    """A random network of one point: all real outputs of the problem's unknowns in a row."""
    size, rng = sum(unknown.size for unknown in problem.fields.values()), np.random.default_rng(seed)
    inner, bias, outer = (
        rng.normal(size=(16, problem.domain.dimension)),
        rng.normal(size=16),
        rng.normal(size=(size, 16)),
    )
    return lambda point: jnp.asarray(outer) @ jnp.tanh(jnp.asarray(inner) @ point + jnp.asarray(bias))


def fields_of(problem, outputs):
    """The unknowns, as functions of a point, from the function that gives their real outputs in a row."""
    fields, start = {}, 0
    for name, unknown in problem.fields.items():
        span = slice(start, start + unknown.size)
        fields[name] = lambda point, unknown=unknown, span=span: unknown.assemble(outputs(point)[span])
        start += unknown.size
    return fields


# -- the files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_file_is_one_public_function_and_mathematics_only(path):
    text = path.read_text()
    tree = ast.parse(text)
    assert len(text.splitlines()) < 80
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert [node.name for node in defined if not node.name.startswith("_")] == [path.stem]
    (function,) = (node for node in defined if node.name == path.stem)
    assert "doi:" in ast.get_docstring(function)
    assert all(argument.annotation for argument in function.args.args)
    rest = [node for node in tree.body[1:] if node not in defined]
    assert all(isinstance(node, ast.Import | ast.ImportFrom | ast.Assign) for node in rest), "import has side effects"


@pytest.mark.parametrize("name", NAMES)
def test_a_problem_is_made_at_once(name):
    start = time.process_time()
    problem = make(name)
    assert time.process_time() - start < 2.0
    assert isinstance(problem, pn.Problem)
    assert problem.name == name


def test_no_package_of_problems():
    assert not list(FILES[0].parents[1].rglob("__init__.py"))  # a file is found by its path, a user's own as well


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("poisson", {"dimension": 0}, "1 or more"),
        ("poisson", {"solution": "sine"}, "choose one of sin_product, cos_sum, harmonic, norm"),
        ("poisson", {"dimension": 3, "solution": "harmonic"}, "even"),
        ("kuramoto_sivashinsky", {"case": "calm"}, "regular or chaotic"),
        ("helmholtz", {"waves_x": 0.5}, "whole numbers"),
        ("conductivity", {"dimension": 4}, "1, 2 or 3"),
    ],
)
def test_wrong_arguments_are_named_in_one_line(name, arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        make(name, **arguments)
    assert "\n" not in str(caught.value)


# -- exact solutions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", FORMULAS, ids=label)
def test_exact_solutions_leave_no_residual(case):
    problem = make(case[0], **case[1])
    assert not relative_residuals(problem, problem.reference, 1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_no_residual_is_met_by_a_wrong_field(name):
    problem = make(name)
    fields = fields_of(problem, network(problem))
    for residual, rows in problem.residuals(fields, n=64).items():
        assert np.all(np.median(np.abs(rows), axis=0) > 1e-3), residual


@pytest.mark.parametrize("name", [name for name, arguments in FORMULAS if not arguments])
def test_the_equations_use_their_coefficients(name):
    problem = make(name)
    for coefficient, value in problem.coefficients.items():
        wrong = 1.1 * value if not callable(value) else lambda point, value=value: 1.1 * value(point)
        changed = replace(problem, coefficients={**problem.coefficients, coefficient: wrong})
        assert max(np.max(np.abs(rows)) for rows in changed.residuals(problem.reference, n=64).values()) > 0.1, (
            coefficient
        )


def test_the_cavity_equations_hold_for_kovasznay_flow():
    """A steady exact solution for any Reynolds number (Kovasznay 1948, doi:10.1017/S0305004100023999)."""
    decay = 20 - np.sqrt(400 + 4 * np.pi**2)
    flow = {
        "u": lambda x, y: 1 - jnp.exp(decay * x) * jnp.cos(2 * np.pi * y),
        "v": lambda x, y: decay / (2 * np.pi) * jnp.exp(decay * x) * jnp.sin(2 * np.pi * y),
        "p": lambda x, y: (1 - jnp.exp(2 * decay * x)) / 2,
    }
    problem = make("cavity", reynolds=40.0)
    assert set(relative_residuals(problem, flow, 1e-13)) == {"walls", "lid"}  # other walls, and p = 0 at (0, 0)
    assert problem.residuals(flow, n=64)["corner"].shape == (1, 1)


def test_an_unknown_conductivity_field():
    problem = make("conductivity").infer(k=pn.PositiveField(pn.MLP(width=8, depth=1)))
    assert problem.residuals_by_name["conduction"].record.indices["k"] == {(), (0,), (1,)}
    assert for_problem(problem).built_in == ("walls",)


# -- numerical references --------------------------------------------------------------------------------------------


def in_time(values, end, t, order):
    """The derivative d^order/dt^order, at t (n,), of the polynomial through values (..., nodes) at Chebyshev points."""
    nodes = values.shape[-1]
    vander = np.polynomial.chebyshev.chebvander
    inverse = np.linalg.inv(vander(chebyshev_points(nodes), nodes - 1))
    rates = np.polynomial.chebyshev.chebder(inverse, m=order, scl=2 / end)
    return values @ (vander(2 * t / end - 1, nodes - 1 - order) @ rates).T


def chebyshev_points(nodes):
    return np.cos(np.pi * (np.arange(nodes) + 0.5) / nodes)


def in_space_time(reference, interval, modes, end, points, indices, nodes=20):
    """Derivatives of a reference at points (n, 2), by index: Fourier in x, a polynomial in t on [0, end]."""
    lower, length = interval[0], interval[1] - interval[0]
    x, t = lower + length / modes * np.arange(modes), end * (chebyshev_points(nodes) + 1) / 2
    samples = reference(x[:, None], t[None, :])
    spectrum, waves = np.fft.fft(samples, axis=0, norm="forward"), 2 * np.pi / length * np.fft.fftfreq(modes, 1 / modes)
    phases = np.exp(1j * waves * (points[:, :1] - lower))
    table = {}
    for index in indices:
        factors = phases * (1j * waves) ** index.count(0)
        table[index] = np.sum(factors * in_time(spectrum, end, points[:, 1], index.count(1)).T, axis=1)
    return table if np.iscomplexobj(samples) else {index: value.real for index, value in table.items()}


def largest_relative_residual(problem, name, tables, points):
    """The largest residual of fields given by tables of their derivatives, {unknown: {index: (n,)}}."""
    residual, coefficients = problem.residuals_by_name[name], problem.coefficient_functions()

    def at(point, tables):
        fields = {unknown: Field(unknown, None, point, problem.frame, table) for unknown, table in tables.items()}
        return residual(fields | fields_at(coefficients, point, problem.frame, residual.record.indices), point)

    rows = jax.vmap(at)(jnp.asarray(points), jax.tree.map(jnp.asarray, tables))
    return float(jnp.max(jnp.abs(rows))) / max(1.0, *(np.max(np.abs(v)) for v in jax.tree.leaves(tables)))


@pytest.mark.parametrize(
    ("name", "arguments", "modes", "end", "tolerance"),
    [
        ("burgers", {}, 64, 0.1, 1e-10),
        ("allen_cahn", {}, 1024, 0.05, 1e-7),
        ("kuramoto_sivashinsky", {}, 96, 0.02, 1e-10),
        ("kuramoto_sivashinsky", {"case": "chaotic"}, 512, 0.02, 1e-8),
        ("schroedinger", {}, 512, 1e-3, 1e-7),
    ],
)
def test_interpolated_references_solve_their_problems(name, arguments, modes, end, tolerance):
    """At the grid points of the spectral method, where its equations hold without truncation, soon after the start."""
    problem = make(name, **arguments)
    (unknown,) = problem.fields
    interval, rng = problem.domain.bounds["x"], np.random.default_rng(0)
    grid = interval[0] + (interval[1] - interval[0]) / modes * np.arange(modes)
    for residual in problem.residuals_by_name:
        points = np.stack([rng.choice(grid, 64), rng.uniform(0, end, 64)], axis=1)
        if residual == "start":
            points[:, 1] = 0.0
        if residual == "walls":
            points[:, 0] = np.where(points[:, 0] > 0, 1.0, -1.0)
        indices = problem.residuals_by_name[residual].record.indices[unknown]
        table = in_space_time(problem.reference, interval, modes, end, points, indices)
        assert largest_relative_residual(problem, residual, {unknown: table}, points) <= tolerance, residual


def test_the_lotka_volterra_reference_solves_its_problem():
    problem = make("lotka_volterra", duration=3.0)
    nodes = 3 * (chebyshev_points(80) + 1) / 2
    for residual, t in (("prey_balance", nodes), ("predator_balance", nodes), ("start", np.zeros(1))):
        tables = {
            name: {(0,) * order: in_time(f(t=nodes), 3.0, t, order) for order in (0, 1)}
            for name, f in problem.reference.items()
        }
        assert largest_relative_residual(problem, residual, tables, t[:, None]) <= 1e-8, residual
    problem = make("lotka_volterra")
    prey, predator = (problem.reference[name](t=np.linspace(0, 6, 50)) for name in ("prey", "predator"))
    kept = prey - 3 * np.log(prey) + predator - 1.5 * np.log(predator)
    np.testing.assert_allclose(kept, kept[0], rtol=1e-9)
    assert prey.max() > 1.2 * prey.min()


def test_references_keep_what_their_equations_keep():
    h = make("schroedinger").reference
    x = -5 + 10 / 512 * np.arange(512)
    mass = np.sum(np.abs(h(x[:, None], np.linspace(0, 0.2, 3))) ** 2, axis=0)
    np.testing.assert_allclose(mass, mass[0], rtol=1e-11)
    u = make("kuramoto_sivashinsky", case="chaotic").reference
    x = 2 * np.pi / 512 * np.arange(512)
    np.testing.assert_allclose(np.mean(u(x[:, None], np.linspace(0, 0.2, 3)), axis=0), 0, atol=1e-13)


# -- exact values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_what_is_built_in_holds_for_every_network(name):
    problem = make(name)
    ansatz = for_problem(problem)
    assert set(ansatz.built_in) == set(problem.conditions) - SOFT.get(name, set())
    raw = network(problem)

    def outputs(point):
        trial = ansatz.trial(raw(point), point)
        return trial if ansatz.lift is None else ansatz.lift(point) + trial

    conditions = replace(problem, equations={})
    for residual, rows in conditions.residuals(fields_of(problem, outputs), n=64).items():
        if residual in ansatz.built_in:
            assert np.max(np.abs(rows)) <= 1e-12, residual
        else:
            assert np.median(np.abs(rows)) > 1e-3, residual


@pytest.mark.parametrize("name", ["allen_cahn", "schroedinger"])
def test_the_kink_of_initial_values_is_not_frozen_into_the_lift(name):
    """Their band-limited data fill all their waves, so a lift that kept them for all times could not be mended."""
    problem = make(name)
    data = lambda point: problem.residuals_by_name["start"](fields_at(zero, point, problem.frame, {}), point)[0]
    zero = {unknown: lambda point: jnp.zeros(()) for unknown in problem.fields}
    assert not smooth_periodic_extension(problem.domain, data, 2)
    sharp = lambda point: jnp.exp(200 * jnp.cos(2 * np.pi * point[0] / np.ptp(problem.domain.bounds["x"])) - 200)
    assert smooth_periodic_extension(problem.domain, sharp, 4)
    note, symmetry = for_problem(problem).notes
    assert note.startswith("start: built in") and "carried in time by the" in note and "even about x=0" in symmetry


def test_high_dimensions_stay_soft():
    assert for_problem(make("poisson", dimension=5)).built_in == ()


# -- the argument `point` ----------------------------------------------------------------------------------------------


def test_point_is_all_coordinates_at_once():
    problem = make("poisson", dimension=5, solution="cos_sum")
    points = problem.domain.sample(7)
    values = reference_values(problem, points)["u"]
    np.testing.assert_allclose(values, np.cos(np.pi * points).sum(axis=1), rtol=1e-13)
    domain = pn.Interval(x=(0, 1)) * pn.Time(t=(0, 2))
    mixed = pn.Problem(
        domain,
        coefficients={"k": lambda point, t: point[0] * t},
        equations={"both": lambda u, k, point, t: u - k - (point[1] - t)},
        conditions={"start": pn.On(domain.initial, lambda u: u)},
        ansatz={"u": lambda u, point: u * point[1]},
        reference=lambda x, point: x * point[1],
    )
    assert not relative_residuals(mixed, mixed.reference, 1e-15)
    np.testing.assert_allclose(reference_values(mixed, points[:, :2])["u"], points[:, 0] * points[:, 1], rtol=1e-15)
    assert for_problem(mixed).built_in == ("start",)
    with pytest.raises(ValueError, match="'point' is both the whole point and coordinate"):
        pn.Problem(pn.Interval(point=(0, 1)), equations={"e": lambda u: u})
