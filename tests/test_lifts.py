"""Lifts: what is built in holds to round-off whatever the network says, and what can't be stays a residual."""

import dataclasses
from math import pi

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pinnact as pn
from pinnact.lifts import build, for_problem
from pinnact.precision import precision
from pinnact.system import System

LINE = pn.Interval(x=(-1, 2))
SQUARE = pn.Rectangle(x=(0, 2), y=(-1, 1))
CUBE = pn.Box(x=(0, 1), y=(0, 2), z=(-1, 0))
STRIP = LINE * pn.Time(t=(0.5, 2))
SLAB = SQUARE * pn.Time(t=(0, 1))
DISK = pn.Disk(x=0.5, y=-1.0, radius=2.0)
HOLED = pn.Rectangle(x=(-2, 2), y=(-2, 2)) - pn.Disk(radius=0.5)
RING = pn.Interval(x=(-1, 1), periodic=True) * pn.Time(t=(0, 1))


def problem(domain, conditions, equation=lambda u: u.laplacian, **rest):
    rest.setdefault("equations", {"e": equation})
    given = {name: c if isinstance(c, pn.Integral) else pn.On(*c) for name, c in conditions.items()}
    return pn.Problem(domain, conditions=given, **rest)


def wild(size):
    """Network outputs of order one that fulfil nothing by themselves."""
    waves = np.random.default_rng(5).normal(size=(size, 3))
    return lambda q: 1.7 + jnp.sin(jnp.asarray(waves[:, : q.size]) @ q + jnp.arange(1.0, size + 1))


def with_network(p, ansatz, outputs=None):
    """The unknowns as functions of the point, for `Problem.residuals`, under a made-up network."""
    size = sum(unknown.size for unknown in p.fields.values())
    outputs = outputs or wild(size)

    def whole(point):
        values = ansatz.trial(outputs(point), point)
        return values if ansatz.lift is None else values + ansatz.lift(point)

    functions, start = {}, 0
    for name, unknown in p.fields.items():
        span = slice(start, start + unknown.size)
        functions[name] = lambda point, unknown=unknown, span=span: unknown.assemble(whole(point)[span])
        start = span.stop
    return functions


def worst(p, ansatz):
    """The largest residual of each condition under a made-up network."""
    rows = dataclasses.replace(p, equations={}).residuals(with_network(p, ansatz), n=48)
    return {name: float(np.max(np.abs(rows[name]))) for name in p.conditions}


WAVE = lambda u: u.tt - u.laplacian
HARD = {
    "line": problem(
        LINE, {"left": (LINE.boundary["left"], lambda u: u - 3), "right": (LINE.boundary["right"], lambda u: 2 * u)}
    ),
    "square": problem(SQUARE, {"walls": (SQUARE.boundary, lambda u, x, y: u - jnp.sin(x * y) - x)}),
    "cube": problem(CUBE, {"walls": (CUBE.boundary, lambda u, x, y, z: (1 + x**2) * u - x * y * z - jnp.cos(x + z))}),
    "three sides": problem(
        SQUARE,
        {
            "left": (SQUARE.boundary["left"], lambda u, y: u - jnp.exp(y)),
            "floor": (SQUARE.boundary["bottom", "top"], lambda u, x, y: u - jnp.exp(y) * jnp.cos(x)),
        },
    ),
    "heat": problem(
        STRIP,
        {
            "walls": (STRIP.boundary, lambda u, x, t: u - x * t),
            "start": (STRIP.initial, lambda u, x: u - 0.5 * x - jnp.sin(pi * (x + 1) / 3)),
        },
        lambda u: u.t - u.xx,
    ),
    "moving walls": problem(
        STRIP,
        {
            "walls": (STRIP.boundary, lambda u, x, t: u - jnp.sin(x * t)),
            "start": (STRIP.initial, lambda u, x: u - jnp.sin(x * 0.5)),
            "speed": (STRIP.initial, lambda u, x: u.t - x * jnp.cos(x * 0.5)),
        },
        WAVE,
    ),
    "drum": problem(
        SLAB,
        {
            "start": (SLAB.initial, lambda u, x, y: u - x * y),
            "speed": (SLAB.initial, lambda u, x, y: 2 * u.t - jnp.sin(x) * y),
            "walls": (SLAB.boundary, lambda u, x, y, t: u - x * y - t * jnp.sin(x) * y / 2),
        },
        WAVE,
    ),
    "oscillator": problem(
        pn.Time(t=(1, 3)),
        {
            "start": (pn.Time(t=(1, 3)).initial, lambda u: u - 1),
            "speed": (pn.Time(t=(1, 3)).initial, lambda u: u.t + 2.0),
        },
        lambda u: u.tt + u,
    ),
    "disk by angle": problem(DISK, {"rim": (DISK.boundary, lambda u, x, y: u - jnp.sin(3 * x) * y)}),
    "hole": problem(HOLED, {"rim": (HOLED.boundary, lambda u: u - 4.0)}),
    "hole by angle": problem(HOLED, {"rim": (HOLED.boundary["rim"], lambda u, x, y: u - x * y)}),
    "warm disk": problem(
        DISK * pn.Time(t=(0, 1)),
        {
            "rim": ((DISK * pn.Time(t=(0, 1))).boundary, lambda u, x, t: u - x * (1 + t)),
            "start": ((DISK * pn.Time(t=(0, 1))).initial, lambda u, x: u - x),
        },
    ),
    "ring": problem(RING, {"start": (RING.initial, lambda u, x: u - jnp.sin(pi * x))}, lambda u: u.t - u.xx),
    "complex": problem(
        STRIP,
        {
            "start": (STRIP.initial, lambda h, x: 1j * h - jnp.exp(1j * x)),
            "walls": (STRIP.boundary["right"], lambda h: h - jnp.exp(2j) / 1j),
        },
        unknowns={"h": complex},
        equation=lambda h: h.t,
    ),
    "some components": problem(
        SQUARE,
        {
            "floor": (SQUARE.boundary["bottom"], lambda v, x: (v[0], v[1] - x)),
            "side": (SQUARE.boundary["left"], lambda v, y: v[0] - y - 1),
            "corner": (SQUARE.boundary["right"], lambda p, y: 3 * p - y**2),
        },
        unknowns={"v": 2, "p": 1},
        equation=lambda v, p: v.div - p,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HARD)
def test_what_is_built_in_holds_whatever_the_network_says(name):
    p = HARD[name]
    with precision("float64"):
        ansatz = build(p)
        assert set(ansatz.built_in) == set(p.conditions), ansatz.notes
        found = worst(p, ansatz)
    assert max(found.values()) < 1e-12, found


@pytest.mark.parametrize("name", ["line", "square", "cube", "drum", "disk by angle", "hole", "some components"])
def test_factors_are_normalised_and_leave_the_inside_free(name):
    """The largest factor is 1 up to sampling, and none vanishes inside, so that a network can reach any value there."""
    p = HARD[name]
    ansatz, size = build(p), sum(unknown.size for unknown in p.fields.values())
    factors = np.abs(jax.vmap(lambda q: ansatz.trial(jnp.ones(size), q))(jnp.asarray(p.domain.sample(1000, seed=9))))
    assert np.all(factors.max(axis=0) > 0.9) and np.all(factors.max(axis=0) < 1.02)
    assert np.all(factors.min(axis=0) > 0)


@pytest.mark.parametrize("name", ["square", "drum", "disk by angle"])
def test_factors_vanish_to_first_order_only(name):
    """Halving the distance to a wall halves the factor: the network keeps a say in the normal derivative."""
    p = HARD[name]
    ansatz, size = build(p), sum(unknown.size for unknown in p.fields.values())
    points, normals = p.domain.boundary.sample(16)
    inward = np.concatenate([-normals, np.zeros((16, p.domain.dimension - normals.shape[1]))], axis=1)
    factor = jax.vmap(lambda q: ansatz.trial(jnp.ones(size), q)[0])
    near, nearer = factor(jnp.asarray(points + 2e-4 * inward)), factor(jnp.asarray(points + 1e-4 * inward))
    np.testing.assert_allclose(near / nearer, 2.0, rtol=1e-2)


def test_a_lift_uses_boundary_data_only():
    """Data that differ inside, where nothing is prescribed, give the same lift."""
    bubble = lambda x, y: x * (2 - x) * (1 - y**2)
    plain = build(HARD["square"]).lift
    other = build(
        problem(SQUARE, {"walls": (SQUARE.boundary, lambda u, x, y: u - jnp.sin(x * y) - x - 7 * bubble(x, y))})
    ).lift
    points = jnp.asarray(SQUARE.sample(64, seed=2))
    np.testing.assert_allclose(jax.jit(jax.vmap(plain))(points), jax.jit(jax.vmap(other))(points), atol=1e-13)


def test_the_lift_of_a_solution_that_vanishes_on_the_boundary_is_zero():
    sines = lambda x, y: jnp.sin(pi * x) * jnp.sin(pi * y)
    unit = pn.Rectangle(x=(0, 1), y=(0, 1))
    poisson = problem(unit, {"walls": (unit.boundary, lambda u, x, y: u - sines(x, y))})
    values = jax.jit(jax.vmap(build(poisson).lift))(jnp.asarray(unit.sample(64)))
    np.testing.assert_allclose(values, 0.0, atol=1e-15)


def test_data_that_are_0_by_themselves_make_no_lift():
    """What is 0 only at some points, or by cancellation, keeps its lift."""
    walls = lambda condition: problem(SQUARE, {"walls": (SQUARE.boundary, condition)})
    with precision("float64"):
        for condition in (lambda u: u, lambda u: 3 * u, lambda u: u - 0.0):
            ansatz = build(walls(condition))
            assert ansatz.lift is None and ansatz.built_in == ("walls",)
        bump = lambda u, x: u - jnp.where(jnp.abs(x - 1.234) < 1e-9, 1.0, 0.0)
        for condition in (bump, lambda u, x: u - 0 * x, lambda u: u - 1e-300):
            assert build(walls(condition)).lift is not None
        bilinear = walls(lambda u, x, y: u - x * y)
        system = System(bilinear, build(bilinear))
        for count in (1, 1024, 1025):
            points = SQUARE.sample(count, seed=1)
            lifted = np.asarray(system.lifted(points))
            np.testing.assert_allclose(lifted[:, 0], points[:, 0] * points[:, 1], atol=1e-14)
            assert lifted.shape == (count, 1)


def test_a_lift_by_faces_is_the_bilinear_interpolant_of_bilinear_data():
    p = problem(SQUARE, {"walls": (SQUARE.boundary, lambda u, x, y: u - (1 + 2 * x) * (3 - y))})
    points = jnp.asarray(SQUARE.sample(32))
    expected = (1 + 2 * points[:, 0]) * (3 - points[:, 1])
    np.testing.assert_allclose(jax.jit(jax.vmap(build(p).lift))(points)[:, 0], expected, rtol=1e-13)


def test_lifts_are_smooth_at_the_centre_of_a_disk():
    """Radial extension of angular data: the derivatives to order two stay finite and small at the centre."""
    lift = build(HARD["disk by angle"]).lift
    near = jnp.array([[0.5 + offset, -1.0] for offset in (0.0, 1e-9, 1e-5)])
    assert np.max(np.abs(jax.jit(jax.vmap(jax.hessian(lambda q: lift(q)[0])))(near))) < 1e-6


def test_a_lid_that_clashes_at_the_corners_stays_soft():
    cavity = problem(
        SQUARE,
        {
            "walls": (SQUARE.boundary["left", "right", "bottom"], lambda v: (v[0], v[1])),
            "lid": (SQUARE.boundary["top"], lambda v: (v[0] - 1, v[1])),
        },
        unknowns={"v": 2},
        equation=lambda v: v.div,
    )
    ansatz = build(cavity)
    assert ansatz.built_in == ("walls",)
    assert any("lid: a residual (its data don't fit" in note for note in ansatz.notes)
    found = worst(cavity, ansatz)
    assert found["walls"] < 1e-12 < 0.1 < found["lid"]


SOFT = {
    "four dimensions": (pn.Box(a=(0, 1), b=(0, 1), c=(0, 1), d=(0, 1)), "boundary", lambda u: u, "4 coordinates"),
    "space and time": (CUBE * pn.Time(t=(0, 1)), "initial", lambda u: u, "4 coordinates"),
    "flux": (SQUARE, "boundary", lambda u, normal: u.grad @ normal, "needs the normal"),
    "slope": (SQUARE, "boundary", lambda u: u.x, "no prescribed value"),
    "second rate": (STRIP, "initial", lambda u: u.tt, "no prescribed value"),
    "robin": (SQUARE, "boundary", lambda u: u + u.x, "no prescribed value"),
    "elsewhere": (SQUARE, "boundary", lambda u, x, y: u - u(jnp.stack([1 - x, y])), "no prescribed value"),
    "nothing": (SQUARE, "boundary", lambda x: x - x, "no prescribed value"),
    "square root": (SQUARE, "boundary", lambda u: u**2 - 1, "not affine"),
    "absolute": (SQUARE, "boundary", lambda u: abs(u) - 1, "not affine"),
    "vanishing factor": (SQUARE, "boundary", lambda u, x: x * u, "vanishes somewhere"),
    "final": (STRIP, "final", lambda u: u, "on final"),
    "inside": (SQUARE, "interior", lambda u: u, "on interior"),
    "rate alone": (STRIP, "initial", lambda u: u.t, "a rate without an initial value"),
}


@pytest.mark.parametrize("name", SOFT)
def test_what_cannot_be_built_in_says_why(name):
    domain, region, residual, reason = SOFT[name]
    ansatz = build(problem(domain, {"c": (getattr(domain, region), residual)}, lambda u: u))
    assert ansatz.built_in == () and ansatz.lift is None
    assert ansatz.notes[0].startswith("c: a residual (") and reason in ansatz.notes[0]


def test_other_reasons_to_stay_soft():
    part = SQUARE.boundary.where(lambda x, y: (x < 0.7) & (y < 0.9))
    assert "no smooth distance" in build(problem(SQUARE, {"c": (part, lambda u: u)})).notes[0]
    both = build(problem(SQUARE, {"c": (SQUARE.boundary, lambda u, w: u - w)}, unknowns=("u", "w")))
    assert "mixes several unknowns" in both.notes[0]
    assert "an integral" in build(problem(SQUARE, {"c": pn.Integral(SQUARE.boundary, lambda u: u)})).notes[0]
    steps = {"rim": (HOLED.boundary["rim"], lambda u: u - 1), "side": (HOLED.boundary["x_min"], lambda u: u)}
    assert "no box" in build(problem(HOLED, steps)).notes[0]


@pytest.mark.parametrize("domain", [SQUARE, DISK])
def test_a_wall_prescribed_twice_is_built_in_once(domain):
    p = problem(domain, {"first": (domain.boundary, lambda u: u - 1), "again": (domain.boundary, lambda u: u - 1)})
    ansatz = build(p)
    assert ansatz.built_in == ("first",)
    factor = jax.vmap(lambda q: ansatz.trial(jnp.ones(1), q))(jnp.asarray(domain.sample(64)))
    assert np.all(np.isfinite(factor)) and max(worst(p, ansatz).values()) < 1e-12


def test_a_kink_in_the_periodic_extension_stays_soft_unless_the_equation_carries_it():
    kinked = {"start": (RING.initial, lambda u, x: u - x**2 * jnp.cos(pi * x))}
    ansatz = build(problem(RING, kinked, lambda u, x: u.t - (1 + x**2) * u.xx))
    assert ansatz.built_in == () and "the periodic extension of its data is not C^2" in ansatz.notes[0]
    carried = problem(RING, kinked, lambda u: u.t - u.xx)
    assert build(carried).built_in == ("start",) and worst(carried, build(carried))["start"] < 1e-3


def test_an_inferred_coefficient_in_a_condition_stays_soft():
    p = problem(SQUARE, {"walls": (SQUARE.boundary, lambda u, k: u - k)}, coefficients={"k": 2.0})
    assert build(p).built_in == ("walls",)
    asked = build(p.infer(k=1.0))
    assert asked.built_in == () and "depends on an inferred coefficient" in asked.notes[0]


def test_a_users_ansatz_replaces_the_lift_and_is_believed_where_it_is_right():
    conditions = {
        "left": (LINE.boundary["left"], lambda u: u - 5),
        "right": (LINE.boundary["right"], lambda u: u - 1),
        "slope": (LINE.boundary["left"], lambda u: u.x),
    }
    own = problem(LINE, conditions, ansatz={"u": lambda u, x: 5 + (x + 1) ** 2 * u})
    ansatz = for_problem(own)
    assert ansatz.built_in == ("left", "slope") and ansatz.lift is None
    found = worst(own, ansatz)
    assert max(found["left"], found["slope"]) < 1e-12 < 0.1 < found["right"]


def test_nothing_is_built_in_on_request():
    ansatz = for_problem(HARD["square"], hard=False)
    assert ansatz.built_in == () and ansatz.lift is None
    np.testing.assert_array_equal(ansatz.trial(jnp.array([2.5]), jnp.zeros(2)), [2.5])
