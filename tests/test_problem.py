"""Problems: every wrong one is refused when it is made, with one line that says what to repair."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pinnact as pn

LINE = pn.Interval(x=(0, 1))
SQUARE = pn.Rectangle(x=(0, 1), y=(0, 1))
STRIP = pn.Interval(x=(0, 1)) * pn.Time(t=(0, 2))
WALLS = {"walls": pn.On(LINE.boundary, lambda u: u)}


def flat(u):
    return u.xx


def problem(domain=LINE, equations=None, **rest):
    return pn.Problem(domain, equations={"flat": flat} if equations is None else equations, **rest)


def condition(residual, region=LINE.boundary):
    return {"conditions": {"rim": pn.On(region, residual)}}


WRONG = [
    (lambda: pn.Problem("square", {"flat": flat}), "domain='square' is no domain; use pn.Interval"),
    (lambda: problem(unknowns=()), "a problem needs at least one unknown; give unknowns"),
    (lambda: problem(equations={}), "a problem needs at least one equation; give equations"),
    (lambda: problem(equations=flat), "equations=.* have no names; give equations="),
    (lambda: problem(conditions=[1]), "conditions=.* have no names"),
    (lambda: problem(unknowns={"u": 0}), r"unknowns=\{'u': 0\}: give 1, a number of components, or complex"),
    (lambda: problem(unknowns={"u": "vector"}), r"unknowns=\{'u': 'vector'\}: give"),
    (lambda: problem(unknowns=("u", "x")), "'x' is both coordinate and unknown; rename one"),
    (lambda: problem(coefficients={"u": 1.0}), "'u' is both unknown and coefficient; rename one"),
    (lambda: problem(unknowns=("u", "normal")), "'normal' is both the outward normal and unknown; rename one"),
    (lambda: problem(unknowns=("u 1",)), "unknown 'u 1' is no Python name.*rename it"),
    (lambda: problem(conditions={"flat": WALLS["walls"]}), "'flat' names both an equation and a condition; rename"),
    (lambda: problem(equations={"loss": flat}), "'loss' can't name a residual.*rename it"),
    (lambda: problem(equations={"flat": flat, "interior": flat}), "'interior' can't name a residual"),
    (lambda: problem(equations={"flat": flat, "data2": flat}), "'data2' can't name a residual"),
    (lambda: problem(equations={"flat": 3.0}), "equation 'flat' is 3.0; give a function"),
    (lambda: problem(equations={"flat": lambda u, z: u}), "equation 'flat' asks for 'z'; it can have u, x"),
    (lambda: problem(equations={"flat": lambda u, normal: u}), "equation 'flat' asks for 'normal'"),
    (lambda: problem(equations={"flat": lambda *u: 0.0}), r"equation 'flat' takes \*u: name its arguments"),
    (lambda: problem(equations={"flat": lambda u: u.yy}), r"'flat': u\.yy: no derivative.*the coordinates are x"),
    (lambda: problem(equations={"flat": lambda u: u.d("y")}), "'flat': no coordinate 'y'; the domain has x"),
    (lambda: problem(equations={"flat": lambda u: u.div + u.curl}), r"'flat' can't.*declare unknowns=\{'u': 1\}|needs"),
    (lambda: problem(equations={"flat": lambda u: None}), "'flat' can't be evaluated at a point: "),
    (lambda: problem(equations={"flat": lambda u: "u"}), "'flat' can't be evaluated at a point: "),
    (lambda: problem(equations={"flat": lambda u: undefined}), "'flat' can't.*name 'undefined' is not defined"),
    (lambda: problem(equations={"flat": lambda u: jax.lax.sin(u)}), r"'flat' can't.*give them u\.value instead of u"),
    (lambda: problem(equations={"flat": lambda u: np.sin(u)}), "'flat' can't.*use the jax.numpy function"),
    (lambda: problem(equations={"flat": lambda u: np.sin(u.x)}), "'flat' can't.*use the jax.numpy function"),
    (lambda: problem(equations={"flat": lambda u: u if u > 0 else 0.0}), "'flat' can't be evaluated at a point: "),
    (
        lambda: problem(equations={"flat": lambda u: u(jnp.zeros(2))}),
        r"'flat' can't.*u\(q\) takes a point of shape \(1,\)",
    ),
    (
        lambda: problem(unknowns={"u": 2}, equations={"flat": lambda u: u[2]}),
        r"'flat' can't.*u\[2\]: u has 2 components",
    ),
    (lambda: problem(conditions={"rim": lambda u: u}), r"condition 'rim' is a function; wrap it: pn\.On"),
    (lambda: problem(conditions={"rim": pn.On(LINE, lambda u: u)}), "condition 'rim' lies on Interval.*give a region"),
    (lambda: problem(**condition(lambda u: u, SQUARE.boundary)), r"condition 'rim' lies on.*\('x', 'y'\).*own domain"),
    (lambda: problem(**condition(lambda u, w: u)), "condition 'rim' asks for 'w'; it can have u, x, .*normal"),
    (
        lambda: problem(**condition(lambda u, normal: u.grad @ normal, LINE.interior)),
        "condition 'rim' asks for 'normal'",
    ),
    (
        lambda: problem(pn.Interval(x=(0, 1), periodic=True), conditions={"rim": pn.On(RING.boundary, lambda u: u)}),
        "condition 'rim' lies on.*empty",
    ),
    (lambda: problem(coefficients={"k": "large"}), "coefficient 'k' is 'large'; give a number or a function"),
    (lambda: problem(coefficients={"k": float("nan")}), "coefficient 'k' is nan; give a finite number"),
    (lambda: problem(coefficients={"k": lambda y: y}), "coefficient 'k' asks for 'y'; the domain's coordinates are x"),
    (lambda: problem(reference=3.0), "reference=3.0 is no function of the coordinates"),
    (lambda: problem(reference={"v": np.sin}), "reference for 'v', which is no unknown; the unknowns are u"),
    (lambda: problem(reference=lambda t: t), "reference of 'u' asks for 't'; it can have x"),
    (lambda: problem(unknowns=("u", "v"), reference=lambda x: x), "several unknowns need a reference by name"),
    (lambda: problem(ansatz={"v": lambda u: u}), "ansatz for 'v', which is no unknown"),
    (lambda: problem(ansatz={"u": lambda u, k: u}), "ansatz of 'u' asks for 'k'; it can have u, x"),
    (lambda: problem().infer(k=1.0), r"infer\(k=...\): no such coefficient; declared are: none"),
    (lambda: problem(coefficients={"k": 1.0}).infer(k="one"), r"infer\(k='one'\): give a finite number, Positive"),
    (lambda: problem(coefficients={"k": 1.0}).infer(k=float("inf")), r"infer\(k=inf\): give a finite number"),
    (lambda: pn.Positive(-1.0), r"Positive\(-1.0\): the first guess must be above 0"),
    (lambda: pn.Bounded(3.0, 0.0, 1.0), r"Bounded\(3.0, 0.0, 1.0\): the guess must lie between the two bounds"),
    (lambda: problem().observe(np.zeros((3, 2)), u=np.zeros(3)), r"observe: points of shape \(3, 2\); give \(n, 1\)"),
    (lambda: problem().observe(np.zeros((0, 1)), u=np.zeros(0)), r"observe: points of shape \(0, 1\)"),
    (lambda: problem().observe(np.full((1, 1), np.nan), u=[0.0]), "a point is not finite; drop such rows"),
    (lambda: problem().observe([[0.5], [2.0]], u=[0.0, 0.0]), r"x=2 lies outside x=\(0, 1\).*\(1 of 2 points\); drop"),
    (lambda: problem().observe(np.zeros((3, 1))), "observe: no values; give them by unknown"),
    (lambda: problem().observe(np.zeros((3, 1)), v=np.zeros(3)), r"observe\(v=...\): no such unknown"),
    (lambda: problem().observe(np.zeros((3, 1)), u=np.zeros(2)), r"observe: u of shape \(2,\); give.*\(3,\)"),
    (lambda: problem().observe(np.zeros((1, 1)), u=[np.inf]), "u is not finite in row 0"),
    (
        lambda: problem().observe(np.zeros((1, 1)), u=[1j]),
        "u has complex values; give real ones, or declare u as complex",
    ),
    (lambda: problem().observe([[0.1], [0.2]], u=[0.0, np.nan]), "u is not finite in row 1; drop it"),
    (lambda: problem(equations={"e": lambda u: u.xx == 1}), "u.xx - 1 instead of u.xx == 1"),
    (lambda: problem(equations={"e": lambda u: None}), "'e' can't be evaluated at a point: it returns nothing"),
    (lambda: pn.Disk(x=(-1, 1), y=(-1, 1)), r"x=\(-1, 1\) is no coordinate of a centre: give one number"),
    (lambda: problem().residuals({}), "no field for 'u'; give one for each of u"),
]
RING = pn.Interval(x=(0, 1), periodic=True)


@pytest.mark.parametrize(("make", "said"), WRONG, ids=lambda x: x if isinstance(x, str) else "")
def test_a_wrong_problem_is_refused_in_one_line(make, said):
    with pytest.raises(ValueError, match=said) as error:
        make()
    assert "\n" not in str(error.value)


def test_arguments_pick_what_a_residual_gets():
    """Any order, any subset; an argument with a default is the user's own."""
    found = pn.Problem(
        STRIP,
        coefficients={"k": lambda x: x**2, "c": 3.0},
        equations={"mix": lambda t, k, u, c, x, factor=2.0: u.t * k.x + c * u + factor * t * x + c.x},
    ).residuals(lambda x, t: x * t)
    points = STRIP.interior.sample(256, "sobol", 0).points
    x, t = points.T
    np.testing.assert_allclose(found["mix"][:, 0], x * 2 * x + 3 * x * t + 2 * t * x, rtol=1e-13)


def test_residuals_of_an_exact_solution_vanish_and_of_another_do_not():
    """u = x^2 - y^2 is harmonic; its normal derivative is known on each side."""
    plate = pn.Problem(
        SQUARE,
        equations={"laplace": lambda u: u.laplacian},
        conditions={
            "flow": pn.On(
                SQUARE.boundary, lambda u, normal, x, y: u.grad @ normal - (2 * x * normal[0] - 2 * y * normal[1])
            ),
            "mean": pn.Integral(SQUARE.interior, lambda u: u),
        },
    )
    right = plate.residuals(lambda x, y: x**2 - y**2, n=64)
    assert right["laplace"].shape == (64, 1)
    assert max(np.max(np.abs(right[name])) for name in ("laplace", "flow")) < 1e-13
    wrong = plate.residuals(lambda x, y: x**2 + y**2, n=64)
    np.testing.assert_allclose(wrong["laplace"], 4.0, rtol=1e-13)
    assert np.max(np.abs(wrong["flow"])) > 0.1


def test_vector_and_complex_unknowns():
    spin = pn.Problem(
        SQUARE,
        unknowns={"v": 2, "h": complex},
        equations={"div": lambda v: v.div, "turn": lambda v: v.curl - 2.0, "wave": lambda h: 1j * h.x + h.y * 1j - h},
    )
    found = spin.residuals(
        {"v": lambda x, y: jnp.stack([-y, x]), "h": lambda x, y: jnp.exp(-1j * (0.3 * x + 0.7 * y))}, n=16
    )
    assert {name: rows.shape for name, rows in found.items()} == {"div": (16, 1), "turn": (16, 1), "wave": (16, 2)}
    assert all(np.max(np.abs(rows)) < 1e-14 for rows in found.values())
    assert spin.fields["h"].size == 2 and spin.fields["v"].kind == "vector"


def test_a_residual_may_return_several_rows():
    rows = problem(equations={"pair": lambda u, x: (u - x, [u.x - 1, 1j * u.x])}).residuals(lambda x: 2 * x, n=4)[
        "pair"
    ]
    assert rows.shape == (4, 4)
    np.testing.assert_allclose(rows[:, 1:], [[1.0, 0.0, 2.0]] * 4)


def test_complex_coefficients_keep_their_imaginary_part():
    rows = problem(coefficients={"k": 2j}, equations={"e": lambda u, k: k * u}).residuals(lambda x: 1 + 0 * x, n=4)["e"]
    np.testing.assert_allclose(rows, [[0.0, 2.0]] * 4)


def test_the_order_of_a_problem():
    plate = problem(equations={"e": lambda u: u.x}, **condition(lambda u, normal: u.xxx * normal[0]))
    assert plate.order("u") == 3
    assert problem(equations={"e": lambda u, x: jax.hessian(u)(jnp.stack([x]))[0, 0]}).order("u") == 2


def test_describe_shows_the_make_up():
    said = pn.Problem(
        STRIP,
        name="burgers",
        equations={"momentum": lambda u: u.t + u * u.x - u.xx},
        conditions={"seam": pn.On(STRIP.boundary["left"], lambda u, t: u - u(jnp.stack([1.0 + 0 * t, t])))},
    ).describe()
    assert said.splitlines() == [
        "burgers on Interval(x=(0, 1)) * Time(t=(0, 2))",
        "  momentum on interior: u, u.x, u.t, u.xx",
        "  seam on left: u, u(q), order 0",
    ]


def test_infer_and_observe_make_new_problems():
    base = problem(coefficients={"k": 1.0}, equations={"e": lambda u, k: k * u.xx})
    asked = base.infer(k=pn.Positive(2.0)).observe([[0.5]], u=[1.0]).observe([[0.25], [0.75]], u=np.array([1.0, 2.0]))
    assert (base.inferred, base.observations) == ({}, ())
    assert list(asked.inferred) == ["k"] and [len(o.points) for o in asked.observations] == [1, 2]
    assert asked.observations[1].points.dtype == np.float64
    with pytest.raises(dataclasses.FrozenInstanceError):
        base.name = "other"


def test_observations_of_vectors_and_complex_numbers():
    both = pn.Problem(LINE, unknowns={"v": 3, "h": complex}, equations={"e": lambda v, h: v[0].x - h})
    seen = both.observe([[0.1], [0.2]], v=np.ones((2, 3)), h=[1.0, 2.0]).observations[0].values
    assert seen["v"].shape == (2, 3) and seen["h"].dtype == np.complex128, "a real column is a complex one"
    with pytest.raises(ValueError, match=r"v of shape \(2,\); give values of shape \(2, 3\)"):
        both.observe([[0.1], [0.2]], v=np.ones(2))


def test_unknowns_in_three_spellings():
    for spelling in ("speed", ("speed",), {"speed": 1}):
        assert list(problem(unknowns=spelling, equations={"e": lambda speed: speed.x}).fields) == ["speed"]


def test_construction_leaves_the_precision_alone():
    """Residuals are traced in float64 even where jax computes in float32."""
    with jax.enable_x64(False):
        problem(equations={"e": lambda u: u.x * jnp.ones(1, u.dtype)})
        assert jnp.zeros(()).dtype == jnp.float32
