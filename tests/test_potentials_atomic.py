"""Atom-centred potentials: symmetries, derivatives, cells, linear fits and networks."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pinnact.activations import identity, silu
from pinnact.potentials.atomic import Atomic, Surroundings
from pinnact.potentials.bodyorder import BodyOrder
from pinnact.potentials.configurations import Configurations
from pinnact.potentials.cutoffs import Radial
from pinnact.potentials.elementnets import AtomicNetwork
from pinnact.potentials.equivariant import EquivariantPotential
from pinnact.potentials.fitting import fit
from pinnact.potentials.invariant import InvariantMLP
from pinnact.potentials.leastsquares import AtomicLinear
from pinnact.potentials.matching import Matching
from pinnact.potentials.neighbours import heights, images_within, neighbours
from pinnact.potentials.potential import energy_and_forces, stress
from pinnact.potentials.repulsion import COULOMB, ZBL

RNG = np.random.default_rng(1)
SPEC = BodyOrder(Radial(cutoff=3.0, count=2), degrees=(2, 2, 2, 2), angular=1)
NUMBERS = np.array([8, 1, 1, 6, 1])
POSITIONS = np.array([[0, 0, 0], [0.9, 0.2, 0], [-0.4, 0.9, 0.1], [0.3, -0.7, 1.1], [0.2, -0.4, 2.1]], float)
CELL = np.array([[4.1, 0.2, 0.0], [0.0, 4.4, 0.3], [0.5, 0.0, 4.8]])


def frames(count=24, cells=None):
    positions = POSITIONS + RNG.normal(size=(count, 5, 3)) * 0.1
    cells = None if cells is None else np.broadcast_to(cells, (count, 3, 3))
    return Configurations(NUMBERS, positions, np.zeros(count), np.zeros((count, 5, 3)), cells)


def linear_potential(data, spec=SPEC, repulsion=None):
    """With random parameters, small where the degree is high."""
    around = Surroundings.of(spec, data)
    weights = jnp.asarray(np.random.default_rng(2).normal(size=(3, around.count)))
    return Atomic(around, np.array([-1.0, -2.0, -3.0]), weights, (), identity, repulsion)


def labelled(potential, data):
    """The frames with the energies and forces of a potential."""
    take = lambda row: (row[0], row[1], row[2] if len(row) > 2 else None)
    rows = tuple(jnp.asarray(x) for x in (data.positions, data.numbers, data.cells) if x is not None)
    energies, forces = jax.jit(lambda rows: jax.lax.map(lambda row: energy_and_forces(potential, *take(row)), rows))(
        rows
    )
    return replace(data, energies=np.asarray(energies), forces=np.asarray(forces))


@pytest.fixture(scope="module")
def network():
    """A network with random weights, in the form that trains."""
    recipe = AtomicNetwork(width=8, spec=BodyOrder(Radial(cutoff=3.0, count=3), (3, 3), angular=2), features=12)
    return recipe.begin(labelled(linear_potential(frames()), frames()), jax.random.key(0), 1.0)


def messages(data, repulsion=None):
    """Equivariant message passing with random weights."""
    recipe = EquivariantPotential(width=6, rounds=2, radial=Radial(cutoff=3.0, count=4), repulsion=repulsion)
    return recipe.begin(replace(data, energies=RNG.normal(size=len(data))), jax.random.key(0), 1.0)


@pytest.fixture(scope="module", params=["linear", "network", pytest.param("equivariant", marks=pytest.mark.slow)])
def potential(request, network):
    made = {"linear": lambda: linear_potential(frames()), "network": network.finished}
    return made.get(request.param, lambda: messages(frames()))()


evaluate = eqx.filter_jit(energy_and_forces)


def everything(potential, positions, numbers=NUMBERS):
    return _everything(potential, jnp.asarray(positions), jnp.asarray(numbers))


@eqx.filter_jit
def _everything(potential, positions, numbers):
    energy = lambda p: potential(p, numbers)
    return energy(positions), jax.grad(energy)(positions), jax.hessian(energy)(positions)


def test_energy_forces_and_hessian_follow_rotation_translation_and_exchange(potential):
    energy, gradient, hessian = everything(potential, POSITIONS)
    turn = np.linalg.qr(RNG.normal(size=(3, 3)))[0]  # an improper rotation as well as a proper one
    order = np.array([0, 4, 1, 3, 2])
    moved = everything(potential, POSITIONS[order] @ turn.T + np.array([1.0, -2.0, 0.5]))
    close = lambda a, b: np.max(np.abs(a - b)) < 1e-10 * np.max(np.abs(b))
    assert close(moved[0], energy)
    assert close(moved[1], gradient[order] @ turn.T)
    assert close(moved[2], jnp.einsum("ij,akbl,jk,ml->aibm", jnp.eye(3), hessian[order][:, :, order], turn, turn))


def test_forces_are_the_slope_of_the_energy(potential):
    forces = -everything(potential, POSITIONS)[1]
    energy = jax.jit(lambda p: potential(p, jnp.asarray(NUMBERS)))
    step = 1e-4
    for atom, axis in ((0, 0), (1, 2), (4, 1)):
        shift = np.zeros((5, 3))
        shift[atom, axis] = step
        by = lambda k, shift=shift: float(energy(POSITIONS + k * shift))
        slope = (8 * (by(1) - by(-1)) - (by(2) - by(-2))) / (12 * step)
        assert -float(forces[atom, axis]) == pytest.approx(slope, rel=1e-6, abs=1e-6)


def test_far_molecules_add_up_and_padding_takes_no_part(potential):
    one, _ = evaluate(potential, jnp.asarray(POSITIONS), jnp.asarray(NUMBERS))
    two = np.concatenate([POSITIONS, POSITIONS + np.array([50.0, 0, 0]), np.zeros((2, 3))])
    numbers = np.concatenate([NUMBERS, NUMBERS, [0, 0]])
    energy, forces = evaluate(potential, jnp.asarray(two), jnp.asarray(numbers))
    assert float(energy) == pytest.approx(2 * float(one), rel=1e-13)
    assert np.all(np.asarray(forces)[-2:] == 0) and np.all(np.isfinite(forces))


def test_the_energy_is_finite_where_atoms_meet(potential):
    squashed = POSITIONS.copy()
    squashed[1] = squashed[0]
    assert all(np.all(np.isfinite(x)) for x in everything(potential, squashed))


def test_neighbours_in_a_cell_are_those_of_a_big_cluster():
    near = neighbours(jnp.asarray(POSITIONS), jnp.asarray(NUMBERS), jnp.asarray(CELL), 3.0, images_within(CELL, 3.0))
    apart = np.linalg.norm(near.vectors, axis=2)
    shifts = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3), -1).reshape(-1, 3) @ CELL
    brute = np.linalg.norm(POSITIONS[:, None, None] - POSITIONS[None, :, None] - shifts, axis=-1).reshape(5, -1)
    for i in range(5):
        found, wanted = np.sort(apart[i][near.present[i] & (apart[i] < 3)]), np.sort(brute[i][brute[i] < 3])
        assert np.allclose(found, wanted[1:])  # all but the atom itself


@pytest.fixture(scope="module", params=[linear_potential, pytest.param(messages, marks=pytest.mark.slow)])
def crystal(request):
    return request.param(frames(4, CELL), repulsion=ZBL(1.5))


def test_a_doubled_cell_has_twice_the_energy(crystal):
    one, _ = evaluate(crystal, jnp.asarray(POSITIONS), jnp.asarray(NUMBERS), jnp.asarray(CELL))
    for axis in range(3):
        double = np.concatenate([POSITIONS, POSITIONS + CELL[axis]])
        cell = CELL * np.where(np.arange(3) == axis, 2, 1)[:, None]
        two, _ = evaluate(crystal, jnp.asarray(double), jnp.asarray(np.tile(NUMBERS, 2)), jnp.asarray(cell))
        assert float(two) == pytest.approx(2 * float(one), rel=1e-12)


def test_an_atom_may_be_written_in_any_image(crystal):
    moved = POSITIONS + RNG.integers(-2, 3, size=(5, 3)) @ CELL
    energies = [evaluate(crystal, jnp.asarray(p), jnp.asarray(NUMBERS), jnp.asarray(CELL)) for p in (POSITIONS, moved)]
    assert float(energies[0][0]) == pytest.approx(float(energies[1][0]), rel=1e-12)
    assert np.allclose(energies[0][1], energies[1][1], atol=1e-9)


def test_stress_is_the_slope_along_strain(crystal):
    given = eqx.filter_jit(stress)(crystal, jnp.asarray(POSITIONS), jnp.asarray(NUMBERS), jnp.asarray(CELL))
    energy = jax.jit(lambda p, c: crystal(p, jnp.asarray(NUMBERS), c))
    for i, j in ((0, 0), (1, 2), (2, 0)):
        strain = np.zeros((3, 3))
        strain[i, j] = strain[j, i] = 1e-4 if i == j else 0.5e-4
        turned = lambda k, strain=strain: np.eye(3) + k * strain
        by = lambda k, turned=turned: float(energy(POSITIONS @ turned(k), CELL @ turned(k)))
        slope = (8 * (by(1) - by(-1)) - (by(2) - by(-2))) / 12e-4 / np.linalg.det(CELL)
        assert float(given[i, j]) == pytest.approx(slope, rel=1e-6)


def test_a_cell_too_small_is_no_silent_mistake(crystal):
    small = jnp.asarray(CELL / 4)
    with pytest.raises(ValueError, match="repeat the cell"):
        crystal(jnp.asarray(POSITIONS), jnp.asarray(NUMBERS), small)
    assert np.isnan(jax.jit(lambda c: crystal(jnp.asarray(POSITIONS), jnp.asarray(NUMBERS), c))(small))
    assert np.allclose(heights(CELL), 1 / np.linalg.norm(np.linalg.inv(CELL), axis=0))


@pytest.mark.parametrize("cell", [None, pytest.param(CELL, marks=pytest.mark.slow)], ids=["molecule", "crystal"])
def test_least_squares_recovers_a_potential_in_its_span(cell):
    spec = BodyOrder(Radial(cutoff=3.0, count=2), degrees=(2, 2, 1), angular=1)
    truth = linear_potential(frames(4, cell), spec, ZBL(1.5))
    train, test = labelled(truth, frames(40, cell)), labelled(truth, frames(4, cell))
    recipe = AtomicLinear(spec, penalties=(1e-11, 1e-13), repulsion=ZBL(1.5))
    errors = fit(train, recipe).errors(test)
    assert errors["force_rmse_mev_per_angstrom"] < 1e-2
    assert errors["energy_rmse_mev"] < 1e-2


@pytest.mark.slow
def test_isolated_atoms_keep_their_energies():
    truth = linear_potential(frames())
    data = replace(labelled(truth, frames(30)), isolated={1: -1.0, 6: -2.0, 8: -3.0})
    surface = fit(data, AtomicLinear(BodyOrder(SPEC.radial, (2, 2), angular=1)))
    alone = surface.potential(jnp.zeros((1, 3)), jnp.array([6]))
    assert float(alone) == -2.0


@pytest.mark.slow
def test_a_network_is_the_same_function_trained_and_finished(network):
    sample = eqx.filter_jit(lambda *given: network.described(*given))(
        jnp.asarray(POSITIONS), jnp.asarray(NUMBERS), None
    )
    energy, forces = network.matched(sample, None)
    wanted = evaluate(network.finished(), jnp.asarray(POSITIONS), jnp.asarray(NUMBERS))
    mixed = replace(network, molecule=None)
    assert float(energy) == pytest.approx(float(wanted[0]), rel=1e-12)
    assert np.allclose(forces, wanted[1], atol=1e-10)
    assert np.allclose(mixed.matched(sample, None)[1], forces, atol=1e-12)
    assert network.activation == silu


SMALL = BodyOrder(Radial(cutoff=3.0, count=2), (2, 2), angular=1)
RECIPES = {
    "atomic": AtomicNetwork(width=16, spec=SMALL, features=16),
    "equivariant": EquivariantPotential(width=12, rounds=1, radial=Radial(cutoff=3.0, count=6)),
}


@pytest.mark.parametrize("recipe", [RECIPES["atomic"], pytest.param(RECIPES["equivariant"], marks=pytest.mark.slow)])
@pytest.mark.slow
def test_a_network_learns_frames_of_several_molecules(recipe):
    truth = linear_potential(frames(), SMALL)
    data = frames(60)
    numbers, positions = data.numbers.copy(), data.positions.copy()
    numbers[::2, 4], positions[::2, 4] = 0, 0
    data = labelled(truth, replace(data, numbers=numbers, positions=positions))
    surface = fit(data, recipe, steps=800, precision="float64", matching=Matching(batch=16, rate=5e-3))
    scale = 1e3 * np.std(data.forces[data.numbers > 0])
    assert surface.errors(data)["force_rmse_mev_per_angstrom"] < 0.2 * scale
    assert surface.molecule is None


TINY = EquivariantPotential(width=4, rounds=1, degree=1, radial=Radial(cutoff=3.0, count=3))


@pytest.mark.parametrize("recipe", [pytest.param(TINY, marks=pytest.mark.slow), InvariantMLP(width=8)])
@pytest.mark.slow
def test_large_energies_take_no_digits_of_training_in_float32(recipe):
    data = labelled(linear_potential(frames(), SMALL), frames(20))
    far = replace(data, energies=data.energies - 40_000)
    one, other = (fit(d, recipe, steps=3).errors(d)["force_rmse_mev_per_angstrom"] for d in (data, far))
    assert one == pytest.approx(other, rel=1e-5)


def test_repulsion_is_coulomb_at_contact_and_ends_at_its_cutoff():
    two = lambda r: neighbours(jnp.array([[0, 0, 0], [0, 0, r]]), jnp.array([8, 1]), None, 2.0, (0, 0, 0))
    energy = lambda r: ZBL()(jnp.array([8.0, 1.0]), two(r))
    assert float(energy(1e-6)) * 1e-6 == pytest.approx(8 * COULOMB, rel=1e-4)
    assert float(energy(2.0)) == float(energy(2.5)) == float(jax.grad(energy)(2.5)) == 0
    assert 0 < float(energy(1.9)) < float(energy(1.0))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: AtomicNetwork(width=0), "width=0"),
        (lambda: AtomicNetwork(softness=0), "softness"),
        (lambda: EquivariantPotential(rounds=0), "rounds=0"),
        (lambda: EquivariantPotential(degree=3), "degree=3: give 1 for scalars and vectors, 2 for tensors too"),
        (lambda: AtomicLinear(penalties=()), "penalties"),
        (lambda: AtomicLinear(SPEC).begin(frames(1), jax.random.key(0), 1.0), "two or more"),
    ],
)
def test_bad_settings_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
