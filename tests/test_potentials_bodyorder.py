"""Harmonics, couplings, cutoffs and the invariants that are made of them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pinnact.potentials.bodyorder import BodyOrder, density, invariants, table
from pinnact.potentials.cutoffs import Radial, bump
from pinnact.potentials.harmonics import coupling, rotations, solid_harmonics

RNG = np.random.default_rng(0)
SMALL = BodyOrder(Radial(cutoff=3.0, count=2), degrees=(3, 3, 3, 4), angular=2)


def random_rotation():
    q, r = np.linalg.qr(RNG.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


@partial(jax.jit, static_argnums=1)
def surroundings(vectors, which=(0, 0, 0, 0)):
    """The invariants of one atom with neighbours at `vectors`, of elements `which`."""
    elements = jnp.asarray(np.eye(2)[list(which)])
    a = density(SMALL.radial, SMALL.angular, jnp.asarray(vectors)[None], elements[None])
    return invariants(table(SMALL, 2), a)[:, 0]


def test_harmonics_are_orthonormal_on_the_sphere():
    cosines, weights = np.polynomial.legendre.leggauss(8)
    angles = 2 * np.pi * np.arange(14) / 14
    sines = np.sqrt(1 - cosines**2)
    points = np.stack(
        [np.outer(sines, np.cos(angles)), np.outer(sines, np.sin(angles)), np.outer(cosines, np.ones(14))], -1
    ).reshape(-1, 3)
    y = np.concatenate(solid_harmonics(points, 6), axis=-1)
    gram = (y * np.repeat(weights * 2 * np.pi / 14, 14)[:, None]).T @ y
    assert np.allclose(gram, np.eye(49), atol=1e-13)


def test_solid_harmonics_are_harmonic_everywhere():
    """The Laplacian of r^l Y_lm is 0, at the origin too, where all derivatives are finite."""
    for point in (np.zeros(3), np.array([0.3, -0.8, 0.5])):
        second = jax.jit(jax.hessian(lambda p: jnp.concatenate(solid_harmonics(p, 5))))(jnp.asarray(point))
        assert np.all(np.isfinite(second))
        assert np.allclose(np.trace(second, axis1=1, axis2=2), 0, atol=1e-12)


def test_couplings_are_invariant():
    turn = random_rotation()
    vectors = RNG.normal(size=(3, 3))
    for degrees in ((a, b, c) for a in range(5) for b in range(5) for c in range(abs(a - b), min(a + b, 5) + 1)):

        def coupled(v, degrees=degrees):
            y = [solid_harmonics(p, degree)[degree] for p, degree in zip(v, degrees, strict=True)]
            return np.einsum("abc,a,b,c->", coupling(*degrees), *y)

        assert np.linalg.norm(coupling(*degrees)) == pytest.approx(1, abs=1e-12)
        assert coupled(vectors @ turn.T) == pytest.approx(coupled(vectors), rel=1e-10, abs=1e-12)
        assert coupled(-vectors) == pytest.approx((-1) ** sum(degrees) * coupled(vectors), rel=1e-10, abs=1e-12)


def test_the_coupling_of_three_vectors_is_their_triple_product():
    """In the order y, z, x of the harmonics of degree 1: the Levi-Civita symbol, of norm sqrt 6."""
    levi_civita = np.zeros((3, 3, 3))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        levi_civita[i, j, k], levi_civita[i, k, j] = 1, -1
    assert np.allclose(np.abs(coupling(1, 1, 1)), np.abs(levi_civita) / np.sqrt(6), atol=1e-13)
    assert np.allclose(coupling(1, 1, 1) * coupling(1, 1, 1)[0, 1, 2] * 6, levi_civita / np.sqrt(6) * np.sqrt(6))


def test_degrees_that_make_no_triangle_are_refused():
    with pytest.raises(ValueError, match="triangle"):
        coupling(1, 1, 3)


def test_the_quadrature_over_rotations_is_exact():
    """The average of R_ij R_kl is delta_ik delta_jl / 3; the determinants are 1; weights add up to 1."""
    turns, weights = rotations(4)
    average = np.einsum("g,gij,gkl->ijkl", weights, turns, turns)
    assert np.allclose(average, np.einsum("ik,jl->ijkl", np.eye(3), np.eye(3)) / 3, atol=1e-14)
    assert np.allclose(np.linalg.det(turns), 1)
    assert weights.sum() == pytest.approx(1)


def test_the_cutoff_ends_with_all_its_derivatives():
    derivative = bump
    for _ in range(5):
        assert float(derivative(jnp.asarray(1.0))) == float(derivative(jnp.asarray(1.3))) == 0
        assert abs(float(derivative(jnp.asarray(1 - 1e-3)))) < 1e-200
        derivative = jax.grad(derivative)
    assert float(bump(jnp.asarray(0.0))) == 1


def test_radial_functions_are_chebyshev_polynomials_of_a_distance():
    radial = Radial(cutoff=4.0, count=5, softening=0.0)
    r = jnp.linspace(0.8, 3.9, 7)
    x = radial(r**2)[:, 1] / bump(r**2 / 16)
    assert np.allclose(
        radial(r**2), np.cos(np.arange(5) * np.arccos(np.clip(x, -1, 1))[:, None]) * bump(r**2 / 16)[:, None]
    )
    assert float(x[0]) == pytest.approx(1)
    assert np.all(np.isfinite(jax.jit(jax.hessian(lambda v: Radial()(jnp.sum(v**2))))(jnp.zeros(3))))


def test_invariants_do_not_change_under_rotation_inversion_and_exchange():
    vectors, which = RNG.normal(size=(4, 3)), (0, 0, 1, 1)
    before = surroundings(vectors, which)
    for other in (vectors @ random_rotation().T, -vectors, vectors[[1, 0, 3, 2]]):
        assert np.allclose(surroundings(other, which), before, rtol=1e-11, atol=1e-12 * np.abs(before).max())
    assert not np.allclose(surroundings(vectors[[2, 0, 1, 3]], which), before)


def test_a_neighbour_that_crosses_the_cutoff_changes_nothing_abruptly():
    vectors = RNG.normal(size=(3, 3))
    along = lambda r: surroundings(np.array([*vectors, [0, 0, r]]))
    without = along(50.0)
    assert np.array_equal(along(3.0), without)
    assert np.allclose(along(2.995), without, atol=1e-100)
    slope = jax.jacfwd(lambda v: surroundings(jnp.concatenate([jnp.asarray(vectors), v[None]])))(jnp.zeros(3))
    assert np.all(np.isfinite(slope))  # a neighbour on top of the atom


@pytest.mark.parametrize("elements", [1, 2])
def test_the_invariants_are_linearly_independent(elements):
    """As polynomials of A: their values at random A have full rank, repeated factors included."""
    entries = table(SMALL, elements)
    a = RNG.normal(size=(elements * 2, 9, 3 * len(entries.degree)))
    values = np.array(jax.jit(lambda a: invariants(entries, a))(jnp.asarray(a)))
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    assert len(entries.degree) == len(values) == len(entries.order)
    assert np.linalg.matrix_rank(values, tol=1e-9) == len(values)
    assert set(entries.order) == {1, 2, 3, 4}
    assert entries.degree.max() <= 4


def test_a_four_body_function_is_approached_as_the_degree_grows():
    """The square of the triple product of three neighbours, damped: it needs products of three projections."""
    clouds = RNG.normal(size=(600, 3, 3))
    clouds *= RNG.uniform(0.9, 1.4, size=(600, 3, 1)) / np.linalg.norm(clouds, axis=2, keepdims=True)
    target = np.linalg.det(clouds) ** 2 * np.exp(-np.sum(clouds**2, axis=(1, 2)) / 4)

    def error(degrees):
        spec = BodyOrder(Radial(cutoff=3.0, count=3), degrees, angular=2)
        of = jax.jit(lambda v: invariants(table(spec, 1), density(spec.radial, 2, v, jnp.ones((600, 3, 1)))))
        values = np.concatenate([of(jnp.asarray(clouds)), np.ones((1, 600))]).T
        c = np.linalg.lstsq(values[:450], target[:450], rcond=1e-10)[0]
        return np.std(values[450:] @ c - target[450:]) / np.std(target)

    assert error((8, 8)) > 0.5
    assert error((4, 4, 4)) > 2 * error((6, 6, 6)) > 20 * error((8, 8, 8))


def test_body_orders_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match="one to four"):
        BodyOrder(degrees=(3, 3, 3, 3, 3))
