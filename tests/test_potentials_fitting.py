"""Force matching, networks of inverse distances, surfaces and their files."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from toys import water

import pinnact as pn
from pinnact.checkpoints import Checkpoints
from pinnact.history import History
from pinnact.potentials import (
    AtomicNetwork,
    Configurations,
    Geometry,
    InvariantMLP,
    KernelPotential,
    Matching,
    evaluate,
    fit,
    hessian,
    load,
)
from pinnact.potentials.choice import automatic
from pinnact.precision import precision

POTENTIAL, REST = water()


def frames(count, seed=0, spread=0.06):
    """Water on three springs, shaken."""
    rng = np.random.default_rng(seed)
    positions = REST.positions + spread * rng.normal(size=(count, 3, 3))
    both = [evaluate(POTENTIAL, Geometry(REST.numbers, p)) for p in positions]
    energies, forces = (np.array(part) for part in zip(*both, strict=True))
    return Configurations(REST.numbers, positions, energies - 100.0, forces, name="water")


@pytest.fixture(scope="module")
def data():
    return frames(200), frames(50, seed=1)


@pytest.fixture(scope="module")
def surface(data):
    return fit(
        data[0],
        InvariantMLP(width=24, activation=pn.gelu),
        steps=3000,
        precision="float64",
        matching=Matching(rate=1e-2),
    )


def test_a_network_learns_a_surface_from_its_forces(data, surface):
    """The mean force component is 3 eV/angstrom; the energy's constant is found as well."""
    errors = surface.errors(data[1])
    assert np.mean(np.abs(data[1].forces)) > 1.0
    assert errors["force_mae_mev_per_angstrom"] < 20 and errors["energy_mae_mev"] < 3
    assert errors["force_mae_mev_per_angstrom"] < errors["force_rmse_mev_per_angstrom"]
    assert errors["force_rmse_mev_per_angstrom"] < errors["force_max_mev_per_angstrom"]
    held_out = min(surface.history.column("error"))  # of the parameters that were kept, on 10 other frames
    assert 0.3 < held_out / errors["force_mae_mev_per_angstrom"] < 3


def test_the_learnt_surface_vibrates_as_the_true_one(surface):
    learnt, true = surface.frequencies(REST), pn.potentials.normal_modes(hessian(POTENTIAL, REST), REST).wavenumbers
    assert np.max(np.abs(learnt - true)) < 0.02 * np.max(true)


def test_energy_forces_and_hessian_keep_the_symmetries(surface):
    """Rotation, translation and the exchange of the two hydrogen atoms, to round-off."""
    rng = np.random.default_rng(3)
    shaken = REST.positions + 0.1 * rng.normal(size=(3, 3))
    turn, swap = Rotation.random(rng=rng).as_matrix(), np.array([0, 2, 1])
    here = Geometry(REST.numbers, shaken)
    there = Geometry(REST.numbers, (shaken @ turn.T + rng.normal(size=3))[swap])
    (energy, forces), (energy_there, forces_there) = (evaluate(surface.potential, g) for g in (here, there))
    assert abs(energy - energy_there) < 1e-10 * abs(energy)
    assert np.max(np.abs(forces @ turn.T - forces_there[swap])) < 1e-10 * np.max(np.abs(forces))
    second, second_there = (hessian(surface.potential, g).reshape(3, 3, 3, 3) for g in (here, there))
    moved = np.einsum("ai,bj,minj->manb", turn, turn, second)[swap][:, :, swap]
    assert np.max(np.abs(moved - second_there)) < 1e-10 * np.max(np.abs(second))


def test_forces_are_minus_the_slope_of_the_energy(surface):
    shaken, step = REST.positions + 0.05 * np.random.default_rng(4).normal(size=(3, 3)), 1e-4
    forces = surface.forces(Geometry(REST.numbers, shaken))
    for atom, axis in np.ndindex(3, 3):
        shift = np.zeros((3, 3))
        shift[atom, axis] = step
        up, down = (surface.energy(Geometry(REST.numbers, shaken + s * shift)) for s in (1, -1))
        assert forces[atom, axis] == pytest.approx(-(up - down) / (2 * step), abs=1e-6)


def test_one_permutation_drawn_at_random_has_the_symmetric_energy_as_its_mean(surface):
    shaken = jnp.asarray(REST.positions + 0.1 * np.random.default_rng(5).normal(size=(3, 3)))
    numbers = jnp.asarray(REST.numbers)
    drawn = {float(surface.potential.sampled(shaken, numbers, None, jax.random.key(i))) for i in range(20)}
    assert len(drawn) == 2  # the identity, and the hydrogen atoms exchanged
    assert np.mean(list(drawn)) == pytest.approx(float(surface.potential(shaken, numbers)), abs=1e-12)


def test_constants_are_not_trained_and_weights_are(data, surface):
    begun = InvariantMLP(width=24, activation=pn.gelu).begin(data[0], jax.random.key(0), 1.0)
    assert float(surface.potential.shift) == pytest.approx(float(begun.shift), abs=1e-12)
    assert np.array_equal(surface.potential.centre, begun.centre)
    assert surface.summary["parameters"] == (3 * 24 + 24) + (24 * 24 + 24) + (24 + 1) + 2


@pytest.mark.slow
def test_the_same_seed_gives_the_same_surface(data):
    recipe = InvariantMLP(width=8)
    first, second, other = (fit(data[0], recipe, steps=30, seed=seed) for seed in (3, 3, 4))
    assert first.energy(REST) == second.energy(REST) != other.energy(REST)


def test_training_that_was_killed_ends_with_the_same_bits(data, tmp_path, monkeypatch):
    run = lambda **options: fit(data[0], InvariantMLP(width=8), steps=60, **options)
    append = History.append

    def die(self, step, *rest):
        append(self, step, *rest)
        if step >= 25:
            raise SystemExit

    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(History, "append", die)
        run(checkpoint=Checkpoints(tmp_path, every=0))
    whole, again = run(), run(checkpoint=Checkpoints(tmp_path, every=0))
    assert again.energy(REST) == whole.energy(REST) and np.array_equal(again.forces(REST), whole.forces(REST))
    assert again.history.column("error") == whole.history.column("error")
    for other, message in (
        ({"seed": 1}, "seed was 0 and is 1"),
        ({"matching": Matching(rate=1e-3)}, "matching was .*rate=0.002.* and is .*rate=0.001"),
        ({"validation": 0.1}, "validation was 0.05 and is 0.1"),
    ):
        with pytest.raises(ValueError, match=f"of another run, {message}"):
            run(checkpoint=tmp_path, **other)
    with pytest.raises(ValueError, match="of another run, frames was"):
        fit(data[1], InvariantMLP(width=8), steps=60, checkpoint=tmp_path)


def test_parameters_that_are_not_finite_are_not_kept(data, tmp_path):
    """The loss before the first update is finite, the parameters after it are not."""
    fitted = fit(data[0], InvariantMLP(width=8), steps=6, matching=Matching(rate=1e38), checkpoint=tmp_path)
    assert fitted.summary["stopped"] == "not finite" and np.isfinite(fitted.forces(REST)).all()
    assert Checkpoints(tmp_path).files == []


def test_training_ends_early_without_progress(data):
    """Parameters that were the best on the frames held out are kept."""
    still = Matching(rate=1e-12)
    fitted = fit(data[0], InvariantMLP(width=8), steps=4000, patience=100, matching=still)
    assert fitted.summary["stopped"] == "patience" and fitted.summary["steps"] < 4000


@pytest.mark.parametrize("weights", [(10.0, 1.0), (0.001, 1.0)])
def test_weights_are_in_physical_units(data, weights):
    """The logged loss is the weighted sum of the logged mean squares."""
    fitted = fit(data[0], InvariantMLP(width=8), steps=5, matching=Matching(*weights))
    for row in fitted.history:
        assert row["loss"] == pytest.approx(weights[0] * row["energy"] + weights[1] * row["forces"], rel=1e-4)


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", [pn.gelu, pn.relu_power(3)])
def test_a_surface_comes_back_from_its_folder_bit_by_bit(data, tmp_path, activation):
    fitted = fit(data[0], InvariantMLP(width=8, activation=activation), steps=5)
    fitted.save(tmp_path / "run")
    back = load(tmp_path / "run")
    assert back.energy(REST) == fitted.energy(REST)
    assert np.array_equal(back.forces(REST), fitted.forces(REST))
    assert (back.molecule, back.elements, back.summary) == (fitted.molecule, fitted.elements, fitted.summary)
    assert list(back.history) == list(fitted.history)


def test_a_kernel_comes_back_too(data, tmp_path):
    fitted = fit(data[0], KernelPotential(most_frames=8, length=1.0), budget=5)
    fitted.save(tmp_path)
    assert np.array_equal(load(tmp_path).forces(REST), fitted.forces(REST))


def test_damaged_and_foreign_folders_are_refused(surface, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no surface\.npz"):
        load(tmp_path)
    surface.save(tmp_path)
    whole = (tmp_path / "surface.npz").read_bytes()
    for wrong in (whole[: len(whole) // 2], b"", b"PK nothing", whole[:5000] + b"xxxx" + whole[5004:]):
        (tmp_path / "surface.npz").write_bytes(wrong)
        with pytest.raises(ValueError, match="is damaged or no surface"):
            load(tmp_path)
    header = {"format": "pinnact surface", "version": 1, "history": {"names": [], "rows": []}}
    header |= {"molecule": None, "elements": [1], "summary": {}, "potential": {"function": "os:system"}}
    np.savez(tmp_path / "surface.npz", header=np.frombuffer(json.dumps(header).encode(), np.uint8))
    with pytest.raises(ValueError, match="os:system, which is not the library's"):
        load(tmp_path)


@pytest.mark.slow
def test_a_surface_with_a_users_own_function_is_not_written(data, tmp_path):
    own = pn.Activation(lambda x: jnp.tanh(x) ** 3, name="cubed", smoothness=10)
    fitted = fit(data[0], InvariantMLP(width=4, activation=own), steps=2)
    with pytest.raises(ValueError, match="cubed"):
        fitted.save(tmp_path / "new")
    assert not (tmp_path / "new").exists()


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_a_kinked_activation_is_refused_unless_asked_for(data):
    rough = InvariantMLP(width=8, activation=pn.relu)
    with pytest.raises(pn.SmoothnessError, match=r"forces would jump .* use tanh"):
        fit(data[0], rough, steps=1)
    fitted = fit(data[0], rough, steps=20, allow_rough=True)
    with precision("float64"):
        network = fitted.potential._network
        second = jax.hessian(network)(jnp.full(3, 0.3))
    assert np.all(np.asarray(second) == 0)  # exactly: relu has no second derivative to learn from


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"budget": 0}, "budget=0: it must be above 0"),
        ({"steps": -1}, "steps=-1: it must be above 0"),
        ({"steps": 1, "validation": 1.0}, "validation=1.0 is no share"),
    ],
)
def test_arguments_that_do_not_fit(data, arguments, said):
    with pytest.raises(ValueError, match=said):
        fit(data[0], InvariantMLP(width=4), **arguments)


def test_other_atoms_than_the_models_are_refused(surface, data):
    with pytest.raises(ValueError, match="this surface is of the molecule O H H"):
        surface.energy(Geometry(np.array([1, 8, 1]), REST.positions))
    with pytest.raises(ValueError, match="this surface is of the molecule O H H"):
        surface.errors(Configurations([8, 1], np.zeros((2, 2, 3)), np.zeros(2), np.zeros((2, 2, 3))))
    with pytest.raises(ValueError, match="too few to train on"):
        fit(data[0][slice(0, 1)], InvariantMLP(width=4), steps=1)
    mixed = Configurations([[8, 1], [1, 8]], np.ones((2, 2, 3)), np.zeros(2), np.zeros((2, 2, 3)))
    with pytest.raises(ValueError, match="frames of different molecules"):
        fit(mixed, InvariantMLP(width=4), steps=1)


# -- the automatic choice ----------------------------------------------------------------------------------------------


def test_the_model_is_chosen_by_atoms_and_frames(data):
    many = Configurations([[8, 1, 1], [1, 8, 0]], np.ones((2, 3, 3)), np.zeros(2), np.zeros((2, 3, 3)))
    cells = Configurations([8, 1], np.ones((2, 2, 3)), np.zeros(2), np.zeros((2, 2, 3)), cells=np.ones((2, 3, 3)))
    long = Configurations(
        [6] * 14, np.random.default_rng(0).normal(size=(250, 14, 3)), np.zeros(250), np.zeros((250, 14, 3))
    )
    for frames, kind, why in (
        (data[0], InvariantMLP, "200 frames"),
        (data[1], KernelPotential, "50 frames are fewer"),
        (long, KernelPotential, "14 atoms"),
        (many, AtomicNetwork, "many compositions"),
        (cells, AtomicNetwork, "periodic"),
    ):
        recipe, reason = automatic(frames)
        assert isinstance(recipe, kind) and why in reason


def test_atoms_in_another_order_are_noticed(ethanol):
    """The hydroxyl hydrogen and one of the methyl group change places: the same elements, other bonds."""
    surface = fit(ethanol[:10], KernelPotential(length=8.0))
    oxygen = int(np.flatnonzero(ethanol.molecule == 8)[0])
    of_oxygen = [i + j - oxygen for i, j in surface.summary["bonds"] if oxygen in (i, j)]
    hydroxyl = next(atom for atom in of_oxygen if ethanol.molecule[atom] == 1)
    order = np.arange(len(ethanol.molecule))
    other = next(int(atom) for atom in order if ethanol.molecule[atom] == 1 and atom != hydroxyl)
    order[[hydroxyl, other]] = order[[other, hydroxyl]]
    others = ethanol[10:20]
    swapped = replace(others, positions=others.positions[:, order], forces=others.forces[:, order])
    with pytest.warns(UserWarning, match="another isomer, or the atoms come in another order"):
        surface.errors(swapped)
    surface.errors(others)  # warnings are errors here: these have none
