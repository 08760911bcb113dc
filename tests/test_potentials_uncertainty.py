"""Ensembles: members trained as if alone, their spread, its calibration, and the calculator that warns."""

import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pinnact.history import History
from pinnact.potentials import (
    AtomicNetwork,
    Doubtful,
    Ensemble,
    InvariantMLP,
    KernelPotential,
    fit,
    load,
)
from pinnact.potentials.bodyorder import BodyOrder
from pinnact.potentials.cutoffs import Radial
from pinnact.potentials.ensemble import Committee
from pinnact.potentials.potential import energy_and_forces, is_trained
from pinnact.potentials.surface import Surface
from pinnact.potentials.uncertainty import calibrate

SMALL = AtomicNetwork(width=8, spec=BodyOrder(Radial(cutoff=3.0, count=3), (3, 3), angular=2), features=12)


@pytest.fixture(scope="module")
def surface(ethanol):
    """Four small networks of 80 frames, calibrated on 100 others."""
    return fit(ethanol[:80], Ensemble(InvariantMLP(width=16), 4), steps=600).calibrated(ethanol[300:400])


@pytest.mark.parametrize("recipe", [InvariantMLP(width=8), SMALL])
@pytest.mark.slow
def test_a_committee_is_the_mean_of_its_members(few, recipe):
    committee = Ensemble(recipe, 3).begin(few, jax.random.key(0), 1.0).finished()
    x, numbers = jnp.asarray(few.positions[0]), jnp.asarray(few.numbers[0])
    members = [committee.member(i) for i in range(3)]
    found = [eqx.filter_jit(energy_and_forces)(member, x, numbers) for member in members]
    energies, forces = (np.array(values) for values in zip(*found, strict=True))
    assert len(set(energies)) == 3
    assert float(eqx.filter_jit(committee)(x, numbers)) == pytest.approx(np.mean(energies), rel=1e-12)
    spread = eqx.filter_jit(lambda c: c.spread(x, numbers))(committee)
    np.testing.assert_allclose(spread, forces.std(axis=0, ddof=1), rtol=1e-9)


@pytest.mark.slow
def test_members_train_as_if_alone(few):
    """The gradient of the mean loss by a member is that of its own loss over their number, which Adam doesn't see."""
    both = Ensemble(InvariantMLP(width=8), 2).begin(few, jax.random.key(3), 1.0)
    alone = both.member(0)
    frame = (jnp.asarray(few.positions[0]), jnp.asarray(few.numbers[0]), None)
    key, wanted = jax.random.key(0), float(few.energies[0]) + 1

    def slope(potential, own):
        trained, fixed = eqx.partition(potential, is_trained)
        loss = lambda p: jnp.mean((eqx.combine(p, fixed).matched(frame, own)[0] - wanted) ** 2)
        return jax.grad(loss)(trained)

    together = slope(both, key).trained
    for one, many in zip(
        jax.tree.leaves(slope(alone, jax.random.split(key, 2)[0])), jax.tree.leaves(together), strict=True
    ):
        np.testing.assert_allclose(2 * many[0], one, rtol=1e-9, atol=1e-14)


@pytest.mark.slow
def test_the_spread_tells_large_errors_from_small_ones(surface, ethanol):
    found = surface.calibration
    rms = lambda x: np.sqrt(np.mean(np.square(x)))
    assert rms(found.expected) == pytest.approx(rms(found.found), rel=1e-9)
    assert found.expected[-1] > 3 * found.expected[0] and found.found[-1] > 1.5 * found.found[0]
    other = calibrate(surface.potential, ethanol[400:])
    assert other.factor == pytest.approx(found.factor, rel=0.3)
    shown = found.plot()
    assert shown.axes[0].get_xlabel().startswith("expected force error")


def test_a_calculator_warns_outside_what_was_seen(surface, ethanol):
    pytest.importorskip("ase")
    atoms_of = pytest.importorskip("ase").Atoms
    atoms = atoms_of(numbers=ethanol.numbers[350], positions=ethanol.positions[350], calculator=surface.calculator())
    with warnings.catch_warnings():
        warnings.simplefilter("error", Doubtful)
        atoms.get_forces()
    known = surface.uncertainty(ethanol.geometry(350))
    np.testing.assert_allclose(atoms.calc.results["uncertainty"], known, rtol=1e-9)
    assert known.max() <= surface.calibration.limit
    atoms.positions *= 1.3
    with pytest.warns(Doubtful, match="outside what the surface knows; train on frames like it"):
        atoms.get_forces()


def test_an_ensemble_comes_back_from_its_folder(surface, ethanol, tmp_path):
    surface.save(tmp_path)
    back = load(tmp_path)
    assert isinstance(back.potential, Committee) and back.calibration == surface.calibration
    np.testing.assert_array_equal(back.uncertainty(ethanol.geometry(0)), surface.uncertainty(ethanol.geometry(0)))
    assert back.summary["model"] == "4 x InvariantMLP"


def test_what_has_no_spread_says_so(few):
    untrained = lambda recipe: Surface(
        recipe.begin(few, jax.random.key(0), 1.0).finished(), tuple(few.molecule), tuple(few.elements), {}, History(())
    )
    one, several = untrained(InvariantMLP(width=4)), untrained(Ensemble(InvariantMLP(width=4), 2))
    with pytest.raises(ValueError, match=r"Invariant is one potential and has no spread; fit pn.potentials.Ensemble"):
        one.uncertainty(few.geometry(0))
    with pytest.raises(ValueError, match=r"not calibrated; take surface\.calibrated"):
        several.uncertainty(few.geometry(0))
    with pytest.raises(ValueError, match="members=1: one has no spread"):
        Ensemble(InvariantMLP(), 1)
    with pytest.raises(ValueError, match="KernelPotential is solved, not trained"):
        Ensemble(KernelPotential())
