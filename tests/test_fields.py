"""Fields: what a residual can write, against `jax` by hand; and the record of what it took."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pinnact.fields import Field, Frame, Record, field_at
from pinnact.operators import ENGINES

PLANE = Frame(("x", "y", "t"), ("x", "y"))
POINT = jnp.array([0.3, -0.7, 0.5])


def scalar(q):
    return jnp.sin(1.2 * q[0]) * jnp.cos(0.8 * q[1]) * jnp.exp(-0.5 * q[2])


def vector(q):
    return jnp.stack([q[0] ** 2 * q[1] * q[2], jnp.sin(q[0] * q[1]) + q[2] ** 3])


def cube(q):
    return jnp.stack([q[1] * q[2], q[0] ** 2 * q[2], jnp.sin(q[0]) * q[1] + q[2] ** 2])


def schroedinger(q):
    return jnp.exp(1j * (2 * q[0] - q[2])) * q[1]


def at_point(f, frame=PLANE, point=POINT, indices=(), record=None, engine="forward"):
    return field_at("u", f, point, frame, set(indices), ENGINES[engine], record)


U, V, H = at_point(scalar), at_point(vector), at_point(schroedinger)
HESSIAN = jax.hessian(scalar)(POINT)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("table", [(), ((), (0,), (0, 0), (0, 1), (2,))])
def test_attributes_are_partial_derivatives(engine, table):
    """Whether they come out of the table of one pass or on demand."""
    u = at_point(scalar, indices=table, engine=engine)
    close(u.value, scalar(POINT))
    close(u.t, jax.grad(scalar)(POINT)[2])
    close([u.xx, u.xy, u.yx, u.yt], [HESSIAN[0, 0], HESSIAN[0, 1], HESSIAN[0, 1], HESSIAN[1, 2]])
    close(u.d("x", "y"), HESSIAN[0, 1])
    close(u.xxyy, 1.2**2 * 0.8**2 * u.value)
    close(u.ttt, -(0.5**3) * u.value)
    close(u.d(), u.value)


def test_names_of_several_letters():
    frame = Frame(("r", "theta", "x1", "x10", "t"), ("r", "theta", "x1", "x10"))
    f = lambda q: q[0] ** 2 * jnp.sin(q[1]) * q[2] ** 3 * q[3] * q[4]
    u = at_point(f, frame, jnp.array([0.9, 0.4, 1.3, 0.7, 2.0]))
    by_hand = jax.hessian(f)(jnp.array([0.9, 0.4, 1.3, 0.7, 2.0]))
    close([u.theta, u.thetatheta, u.rtheta], [jax.grad(f)(u._point)[1], by_hand[1, 1], by_hand[0, 1]])
    close([u.d("x1", "x1"), u.x1x1, u.x1x10, u.d("theta", "t")], [by_hand[2, 2]] * 2 + [by_hand[2, 3], by_hand[1, 4]])
    assert frame.parse("ttheta") == (4, 1) and frame.parse("thetat") == (1, 4) and frame.parse("s") is None


def test_operators_run_over_space_and_leave_time_out():
    close(U.grad, jax.grad(scalar)(POINT)[:2])
    close(U.laplacian, HESSIAN[0, 0] + HESSIAN[1, 1])
    close(U.hessian, HESSIAN[:2, :2])
    matrix = jax.jacfwd(vector)(POINT)[:, :2]
    close(V.jacobian, matrix)
    close(V.grad, matrix)
    close(V.div, matrix[0, 0] + matrix[1, 1])
    close(V.curl, matrix[1, 0] - matrix[0, 1])
    close(V.hessian, jax.hessian(vector)(POINT)[:, :2, :2])
    close(V.laplacian, [2 * POINT[1] * POINT[2], -(POINT[0] ** 2 + POINT[1] ** 2) * jnp.sin(POINT[0] * POINT[1])])


def test_curl_in_three_dimensions():
    w = at_point(cube, Frame(("x", "y", "z"), ("x", "y", "z")))
    x, y, z = POINT
    close(w.curl, [jnp.sin(x) - x**2, y - jnp.cos(x) * y, 2 * x * z - z])


def test_components_are_fields_of_their_own():
    close(V[0].xx, 2 * POINT[1] * POINT[2])
    close(V[1].t, 3 * POINT[2] ** 2)
    close(V[-1].laplacian, V.laplacian[1])
    close(V[0](POINT + 0.1), vector(POINT + 0.1)[0])
    close(jax.hessian(V[1])(POINT), jax.hessian(vector)(POINT)[1])
    first, second = V
    close([first.x, second.x], V.jacobian[:, 0])
    close(V @ jnp.array([2.0, -1.0]), 2 * V[0].value - V[1].value)


def test_complex_fields():
    close(H.t, -1j * H.value)
    close(1j * H.t + 0.5 * H.xx, (1 - 2) * H.value)
    close(abs(H) ** 2, POINT[1] ** 2)
    close([H.real, H.imag], [H.value.real, H.value.imag])
    close(H.conj() * H, POINT[1] ** 2)


def test_other_points_and_plain_jax():
    q = jnp.array([0.1, 0.2, 0.3])
    close(U(q), scalar(q))
    close(jax.hessian(U)(q), jax.hessian(scalar)(q))
    close(jax.vmap(U)(jnp.stack([q, POINT])), [scalar(q), scalar(POINT)])
    close(U([0, 0, 0]), 0.0)
    with pytest.raises(ValueError, match=r"u\(q\) takes a point of shape \(3,\) \(x, y, t\), got shape \(2,\)"):
        U(q[:2])


def test_arithmetic_with_numbers_and_arrays():
    value, v = U.value, V.value
    for found, expected in [
        (2 * U - U / 4 + 1, 2 * value - value / 4 + 1),
        (np.float64(3.0) * U, 3 * value),
        (U * np.float64(3.0), 3 * value),
        (np.float64(1.0) - U, 1 - value),
        (np.array([1.0, 2.0]) * V, jnp.array([1.0, 2.0]) * v),
        (jnp.float64(2.0) / U, 2 / value),
        (jnp.array([1.0, 2.0]) @ V, v[0] + 2 * v[1]),
        (2.0**U, 2.0**value),
        (U**3, value**3),
        (-U, -value),
        (+U, value),
        (U + U * U, value + value**2),
        (1j * U, 1j * value),
        (U % 2 + U // 2, value % 2 + value // 2),
    ]:
        close(found, expected)


def test_jax_numpy_takes_the_field_itself():
    value = U.value
    for found, expected in [
        (jnp.sin(U), jnp.sin(value)),
        (jnp.exp(U), jnp.exp(value)),
        (jnp.abs(U), jnp.abs(value)),
        (jnp.where(U > 0, U, 0.0), jnp.where(value > 0, value, 0.0)),
        (jnp.stack([U, U.x]), jnp.stack([value, U.x])),
        (jnp.array([U, U.t]), jnp.stack([value, U.t])),
        (jnp.maximum(U, 1.0), jnp.maximum(value, 1.0)),
        (jnp.sum(V), jnp.sum(V.value)),
        (jnp.outer(V, V.t), jnp.outer(V.value, V.t)),
        (jax.nn.gelu(U.value), jax.nn.gelu(value)),
        (jax.lax.sin(U.value), jnp.sin(value)),
    ]:
        close(found, expected)


def test_comparisons_compare_values():
    value = float(U.value)
    assert bool(value - 1 < U) and bool(value + 1 > U) and bool(value >= U) and bool(value <= U)
    assert bool(value == U) and not bool(value != U) and bool(jnp.all(V + V.value == 2 * V))
    with pytest.raises(TypeError, match="unhashable"):
        hash(U)


def test_shapes_and_text():
    assert (U.shape, U.ndim, V.shape, V.ndim, H.dtype) == ((), 0, (2,), 1, jnp.complex128)
    assert repr(V[0]) == "Field(u[0])"
    with pytest.raises(TypeError, match="u is a scalar field and has no components"):
        iter(U)


@pytest.mark.parametrize(
    ("take", "error", "said"),
    [
        (
            lambda u: u.z,
            AttributeError,
            r"u\.z: no derivative of that name; the coordinates are x, y, t, so write u\.x",
        ),
        (lambda u: u.xz, AttributeError, r"u\.xz: no derivative"),
        (lambda u: u.d("x", "z"), AttributeError, r"no coordinate 'z'; the domain has x, y, t"),
        (lambda u: u.div, TypeError, r"u\.div needs a vector of 2 components.*declare unknowns=\{'u': 2\}"),
        (lambda u: u.curl, TypeError, r"u\.curl needs a vector of 2 components"),
        (lambda u: jax.jit(lambda v: v.x)(u), AttributeError, r"went through jax\.jit.*take them outside"),
        (lambda u: jax.jit(lambda v: v(POINT))(u), TypeError, r"went through jax\.jit.*take them outside"),
    ],
)
def test_errors_name_the_derivative_and_the_repair(take, error, said):
    with pytest.raises(error, match=said):
        take(U)


@pytest.mark.parametrize("what", ["grad", "laplacian", "hessian", "div"])
def test_a_domain_of_time_alone_has_no_space_operators(what):
    u = at_point(lambda q: q[0] ** 2, Frame(("t",), ()), POINT[:1])
    close(u.tt, 2.0)
    with pytest.raises(TypeError, match="runs over space coordinates, and the domain has none"):
        getattr(u, what)


def recorded(f, residual):
    record = Record()
    jax.eval_shape(lambda p: residual(at_point(f, point=p, record=record)), POINT)
    return record


def test_the_record_lists_what_was_taken():
    record = recorded(scalar, lambda u: u.t + u * u.x - u.xx + u.yx)
    assert record.indices == {"u": {(), (0,), (2,), (0, 0), (0, 1)}}
    assert record.order("u") == 2 and record.order("v") == -1
    assert recorded(scalar, lambda u: u.laplacian).indices == {"u": {(0, 0), (1, 1)}}
    assert recorded(vector, lambda u: u[1].xxx + u[0].t).indices == {"u": {(0, 0, 0), (2,)}}
    assert recorded(scalar, lambda u: 1.0 * POINT[0]).indices == {}


def biharmonic(u):
    lap = lambda g: lambda q: jnp.trace(jax.hessian(g)(q)[:2, :2])
    return lap(lap(u))(POINT)


@pytest.mark.parametrize(
    ("f", "residual", "order"),
    [
        (scalar, lambda u: u(POINT), 0),
        (scalar, lambda u: jax.grad(u)(POINT)[0], 1),
        (vector, lambda u: jnp.einsum("ijj->i", jax.hessian(u)(POINT)), 2),
        (vector, lambda u: jax.jacfwd(jax.jacrev(u))(POINT), 2),
        (scalar, lambda u: jax.jvp(jax.grad(u), (POINT,), (POINT,))[1], 2),
        (scalar, lambda u: jax.vmap(jax.grad(u))(jnp.stack([POINT, 2 * POINT])), 1),
        (scalar, biharmonic, 4),
        (vector, lambda u: jax.hessian(u[1])(POINT), 2),
    ],
)
def test_the_probe_counts_what_goes_through_plain_jax(f, residual, order):
    record = recorded(f, residual)
    assert record.order("u") == order and record.probed == {"u": order}


def test_the_probe_changes_no_number():
    found = jax.jit(lambda p: biharmonic(at_point(scalar, point=p, record=Record())))(POINT)
    close(found, (1.2**2 + 0.8**2) ** 2 * U.value)


def test_an_index_out_of_range_is_an_error_when_recorded():
    """`jax` itself would return the last component without a word."""
    for item, said in ((2, r"u\[2\]: u has 2 components"), (-3, r"u\[-3\]")):
        with pytest.raises(IndexError, match=said):
            recorded(vector, lambda u, item=item: u[item].x)
    with pytest.raises(IndexError, match="u has no components"):
        recorded(scalar, lambda u: u[0].x)


def test_a_field_is_a_pytree_of_its_value():
    leaves, structure = jax.tree.flatten(U)
    assert len(leaves) == 1
    close(leaves[0], U.value)
    assert isinstance(jax.tree.unflatten(structure, leaves), Field)
    close(jax.jit(lambda u: u * 2)(U), 2 * U.value)


def test_gradients_by_a_parameter_flow_through_the_table():
    def residual(a):
        u = at_point(lambda q: jnp.sin(a * q[0]), indices=[(0, 0)])
        return u.xx + u.value

    a, x = 1.3, POINT[0]
    close(jax.grad(residual)(a), -2 * a * jnp.sin(a * x) + (1 - a**2) * x * jnp.cos(a * x))
