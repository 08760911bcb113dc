"""The kernel potential against brute-force second derivatives, finite differences, symmetries and a surface made up."""

import dataclasses
import functools
import logging

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pinnact.potentials import Configurations, cholesky
from pinnact.potentials.kernel import Kernel, KernelPotential
from pinnact.potentials.kernels import Parts, gaussian, matern52, rational_quadratic, second_derivatives, solve
from pinnact.potentials.pairs import Pairs
from pinnact.potentials.potential import Recipe, energy_and_forces
from pinnact.potentials.relevance import Relevance, surprise

NUMBERS = np.array([6, 8, 1, 1, 1, 1])  # methanol
REST = np.array([[0, 0, 0], [1.42, 0, 0], [1.75, 0.9, 0], [-0.4, 1.0, 0.1], [-0.35, -0.55, 0.85], [-0.4, -0.5, -0.9]])
BONDS = ((0, 1, 1.42), (1, 2, 0.96), (0, 3, 1.09), (0, 4, 1.09), (0, 5, 1.09))
PLAIN = KernelPotential(length=2.0, power=1)


def surface(positions):
    """Morse bonds, a repulsion between all hydrogens, and an angle at the oxygen: symmetric in the methyl hydrogens."""
    distance = lambda i, j: jnp.linalg.norm(positions[i] - positions[j])
    morse = sum(4.0 * (1 - jnp.exp(-1.8 * (distance(i, j) - r))) ** 2 for i, j, r in BONDS)
    repulsion = sum(0.5 * jnp.exp(-2 * (distance(i, j) - 1.7)) for i in range(2, 6) for j in range(i + 1, 6))
    tetrahedral = sum(0.8 * (distance(1, j) - 2.05) ** 2 for j in (3, 4, 5))
    return morse + repulsion + tetrahedral + 2.0 * (distance(0, 2) - 1.95) ** 2


@functools.cache
def all_frames(seed):
    positions = REST + 0.08 * np.random.default_rng(seed).normal(size=(64, 6, 3))
    energies, gradients = jax.jit(jax.vmap(jax.value_and_grad(surface)))(positions)
    return Configurations(NUMBERS, positions, np.asarray(energies) - 7.0, -np.asarray(gradients))


def frames(count, seed=0):
    return all_frames(seed)[np.arange(count)]


@functools.cache
def fitted(recipe=PLAIN, count=30):
    return recipe.begin(frames(count), jax.random.key(0), 600.0)


@eqx.filter_jit
def predict(potential, positions):
    return jax.lax.map(lambda p: energy_and_forces(potential, p, NUMBERS), positions)


def force_error(potential, test):
    return np.abs(np.asarray(predict(potential, jnp.asarray(test.positions))[1]) - test.forces).mean()


LEARNT = KernelPotential(learning_frames=8)
RECIPES = {
    "plain": PLAIN,
    "sGDML": KernelPotential(matern52, power=1, length=4.0),
    "learnt, local": LEARNT,
}


@pytest.mark.parametrize("kernel", [rational_quadratic, gaussian, matern52], ids=lambda k: k.name)
def test_slope_and_bend_are_derivatives_of_one_function(kernel):
    s = jnp.linspace(0.01, 9, 50)
    slope = jax.vmap(jax.grad(kernel.slope))(s)
    assert np.allclose(-slope * 2, kernel.bend(s), rtol=1e-12)


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_assembly_agrees_with_brute_force(power):
    """Cross second derivatives of the kernel by nested JAX derivatives, for two parts and six permutations."""
    train = frames(2)
    pairs = Pairs.of_frames(train, 100)
    parts = Relevance.first(pairs).parts(pairs, local=True)
    parts = Parts(np.array([1.0, *np.linspace(0.5, 0.6, len(parts.scales) - 1)]), np.asarray(parts.squares))
    assert len(pairs.permutations) == 6 and len(parts.scales) == 3
    x, derivatives, basis = pairs.coordinates(train.positions, power)

    def coordinates(positions):
        r = jnp.linalg.norm(positions[pairs.first] - positions[pairs.second], axis=1)
        return jnp.log(r) if power == 0 else 1 - 1 / r

    def k(one, other):
        phi = lambda s: 1 / (1 + s / 2)
        apart = coordinates(one)[pairs.permuted] - coordinates(other)[None]
        s = jnp.einsum("qk,gk->gq", apart**2, parts.squares)
        return jnp.einsum("g,gq->", parts.scales, phi(s))

    brute = jax.jacfwd(jax.grad(k), 1)
    fast = second_derivatives(rational_quadratic, parts, pairs.permuted, x, derivatives)
    m = derivatives.shape[2]
    for i, j in ((0, 0), (1, 0), (1, 1)):  # the lower half: row 1, column 0
        block = brute(train.positions[j], train.positions[i]).reshape(18, 18)
        block = basis[i].T @ np.asarray(block).T @ basis[j]
        ours = fast[i * m : (i + 1) * m, j * m : (j + 1) * m]
        assert np.allclose(ours, block, rtol=0, atol=1e-12 * np.abs(block).max())


def test_the_internal_motions_hold_all_forces():
    train = frames(4)
    basis = Pairs.of_frames(train, 100).coordinates(train.positions, 0.0)[2]
    forces = train.forces.reshape(4, -1)
    held = np.einsum("ncm,ndm,nd->nc", basis, basis, forces)
    assert basis.shape == (4, 18, 12) and np.allclose(held, forces, atol=1e-11)


def test_surprise_is_the_marginal_likelihood():
    """The differentiable matrix and the fast one give the same determinant and fit."""
    train = frames(5)
    pairs = Pairs.of_frames(train, 100)
    parts = Relevance.first(pairs).parts(pairs, local=True)
    x, derivatives, basis = pairs.coordinates(train.positions, 0.0)
    y = np.einsum("ncm,nc->nm", basis, train.forces.reshape(5, -1))
    ours = jax.jit(functools.partial(surprise, rational_quadratic, blocks=2))
    value = ours(parts, pairs.permuted, x, derivatives, y)
    matrix = second_derivatives(rational_quadratic, parts, pairs.permuted, x, derivatives)
    matrix = np.tril(matrix) + np.tril(matrix, -1).T
    matrix = matrix / np.diag(matrix).mean() + 1e-8 * np.eye(len(matrix))
    fit = y.ravel() @ np.linalg.solve(matrix, y.ravel())
    assert np.isclose(value, np.log(fit / y.size) / 2 + np.linalg.slogdet(matrix)[1] / y.size / 2, rtol=1e-9)


def test_solve_takes_the_lower_half():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(6, 6))
    full, right = root @ root.T, rng.normal(size=6)
    shifted = full + 1e-3 * np.diag(full).mean() * np.eye(6)
    assert np.allclose(solve(np.asfortranarray(np.tril(full)), right, 1e-3), np.linalg.solve(shifted, right))


def positive(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n)) @ np.diag(np.linspace(0.1, 1, n)) @ rng.normal(size=(n, n)).T, rng.normal(size=n)


@pytest.mark.parametrize("n", [1, 6, 7, 12, 29])
def test_the_factor_in_blocks_is_that_of_lapack(n, monkeypatch):
    """Whatever n is beside the block; the upper half is never read."""
    monkeypatch.setattr(cholesky, "BLOCK", 6)
    root, right = positive(n)
    full = root @ root.T + np.eye(n)
    factor = np.asfortranarray(np.where(np.tri(n) > 0, full, np.nan))
    cholesky.factorise(factor)
    np.testing.assert_allclose(np.tril(factor), np.linalg.cholesky(full), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(cholesky.substitute(factor, right), np.linalg.solve(full, right), rtol=1e-9)


def test_an_indefinite_matrix_is_told():
    matrix = np.asfortranarray(np.diag(np.r_[np.ones(700), -1.0, np.ones(50)]))
    with pytest.raises(np.linalg.LinAlgError):
        cholesky.factorise(matrix)


@pytest.mark.slow
def test_more_rows_than_openblas_factorises_on_two_threads():
    """scipy.linalg.cho_factor ends the process here (OpenBLAS 0.3.30, from some 17,000 rows on, two threads)."""
    n = 20_000
    matrix = np.full((n, n), 0.5, order="F")
    matrix[np.diag_indices(n)] = n
    cholesky.factorise(matrix)
    x = cholesky.substitute(matrix, np.ones(n))
    np.testing.assert_allclose(x, 1 / (n + 0.5 * (n - 1)), rtol=1e-12)


@pytest.mark.parametrize("regularisation, tolerance", [(1e-9, 1e-3), (1e-13, 1e-6)])
def test_training_forces_and_mean_energy_are_reproduced(regularisation, tolerance):
    train, potential = frames(30), fitted(dataclasses.replace(PLAIN, regularisation=regularisation))
    energies, forces = map(np.asarray, predict(potential, jnp.asarray(train.positions)))
    assert np.abs(forces - train.forces).max() < tolerance * np.abs(train.forces).max()
    assert abs(np.mean(energies - train.energies)) < 1e-9
    assert np.std(energies - train.energies) < 0.1 * np.std(train.energies)


@pytest.mark.parametrize("name", ["plain", "sGDML", pytest.param("learnt, local", marks=pytest.mark.slow)])
def test_forces_agree_with_finite_differences(name):
    potential, at, step = fitted(RECIPES[name]), jnp.asarray(frames(1, seed=5).positions[0]), 1e-3
    forces = np.asarray(energy_and_forces(potential, at, NUMBERS)[1])
    moves = jnp.asarray(np.eye(18).reshape(18, 6, 3))
    energy = jax.jit(jax.vmap(lambda move, h: potential(at + h * move, NUMBERS), (0, None)))
    near, far = ((energy(moves, h) - energy(moves, -h)) / (2 * h) for h in (step, 2 * step))
    assert np.allclose(np.asarray((4 * near - far) / 3).reshape(6, 3), -forces, atol=1e-6)


@pytest.mark.parametrize("name", ["sGDML", "learnt, local"])
def test_invariance(name):
    """Energy, forces and Hessian under a rotation, a translation and each permutation, to 1e-10 relative."""
    potential, at = fitted(RECIPES[name]), frames(1, seed=6).positions[0]
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    both = jax.jit(lambda p: (*energy_and_forces(potential, p, NUMBERS), jax.hessian(potential)(p, NUMBERS)))
    energy, forces, hessian = map(np.asarray, both(at))
    for q in Pairs.of_frames(frames(30), 100).permutations:
        moved_energy, moved_forces, moved_hessian = map(
            np.asarray, both(at[q] @ rotation.T + np.array([3.0, -1.0, 2.0]))
        )
        turned = np.einsum("xu,iujv,yv->ixjy", rotation, hessian[q][:, :, q], rotation)
        assert abs(moved_energy - energy) < 1e-10 * abs(energy)
        assert np.allclose(moved_forces, forces[q] @ rotation.T, rtol=0, atol=1e-10 * np.abs(forces).max())
        assert np.allclose(moved_hessian, turned, rtol=0, atol=1e-10 * np.abs(hessian).max())


def test_the_error_falls_with_frames_and_learnt_weights_help():
    test = frames(50, seed=9)
    errors = [force_error(fitted(PLAIN, count), test) for count in (10, 30)]
    assert errors[1] < 0.6 * errors[0]
    assert force_error(fitted(LEARNT), test) < 0.7 * errors[1]


def test_memory_budget_and_wish_limit_the_frames(caplog):
    rows = 12
    for recipe, budget, count, reason in (
        (dataclasses.replace(PLAIN, most_memory=8.0 * (7 * rows) ** 2), 60.0, 7, "memory"),
        (dataclasses.replace(PLAIN, most_frames=9), 60.0, 9, "most_frames"),
        (PLAIN, 0.0, 5, "the budget"),
        (PLAIN, 60.0, 20, "all training frames"),
    ):
        with caplog.at_level(logging.INFO, "pinnact"):
            assert len(recipe.begin(frames(20), jax.random.key(1), budget).anchors) == count
        assert f"{count} of 20 frames ({reason}" in caplog.text


def test_two_frames_alike_are_solved():
    train = frames(6)[[0, 0, 1, 2, 3, 3]]
    assert force_error(PLAIN.begin(train, jax.random.key(0), 60.0), train) < 1e-4


def test_two_atoms_are_learnt():
    r = np.linspace(0.6, 1.2, 12)
    positions = np.stack([np.zeros((12, 3)), np.stack([r, 0 * r, 0 * r], 1)], 1)
    pull = -2 * (r - 0.75)
    forces = np.stack([np.stack([-pull, 0 * r, 0 * r], 1), np.stack([pull, 0 * r, 0 * r], 1)], 1)
    train = Configurations(np.array([1, 1]), positions, (r - 0.75) ** 2, forces)
    potential = KernelPotential(power=1, length=0.5).begin(train, jax.random.key(0), 10.0)
    energy, force = energy_and_forces(potential, jnp.array([[0.0, 0, 0], [0, 0.81, 0]]), train.numbers[0])
    assert abs(energy - 0.06**2) < 1e-4 and abs(force[1, 1] + 0.12) < 1e-3


def test_it_is_a_recipe():
    assert isinstance(KernelPotential(), Recipe) and isinstance(fitted(), Kernel)
    assert KernelPotential().smoothness == np.inf and KernelPotential(matern52).smoothness == 3
    for options, message in (({"length": -1.0}, "length=-1.0 is no length"), ({"regularisation": 0}, "singular")):
        with pytest.raises(ValueError, match=message):
            KernelPotential(**options)
    periodic = dataclasses.replace(frames(3), cells=np.tile(np.eye(3), (3, 1, 1)))
    with pytest.raises(ValueError, match="periodic"):
        PLAIN.begin(periodic, jax.random.key(0), 1.0)
    atom = Configurations(np.array([18]), np.zeros((2, 1, 3)), np.zeros(2), np.zeros((2, 1, 3)))
    with pytest.raises(ValueError, match="single atom"):
        PLAIN.begin(atom, jax.random.key(0), 1.0)
