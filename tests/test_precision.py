"""Precision: what each name means for fields, losses and parameters, and nothing that is multiplied in fewer bits."""

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_up import heat
from programs import equations

import pinnact as pn
from pinnact import flat
from pinnact.collocation import Points
from pinnact.lifts import for_problem
from pinnact.model import build_model
from pinnact.placement import placement
from pinnact.precision import precision
from pinnact.system import System
from pinnact.weights import Fixed

SMALL, FEW = pn.MLP(width=8, depth=2), pn.Points(interior=200, condition=20)


def program(name):
    """The program of a loss with its gradient, and the number of its points."""
    with precision(name):
        problem = heat()
        system = System(problem, for_problem(problem), mixed=name == "mixed")
        batches = Points(interior=3000).draw(system, 0)
        made = flat.Flat(system, build_model(problem, SMALL, jax.random.key(0)), placement(None))
        return jax.make_jaxpr(made._evaluate)(made.start, batches, Fixed().start(system)).jaxpr


@pytest.mark.parametrize(("name", "dtype"), [("float64", "float64"), ("mixed", "float32"), ("float32", "float32")])
def test_fields_and_derivatives_are_computed_in_it(name, dtype):
    large = Counter(
        (equation.primitive.name, str(out.aval.dtype))
        for equation in equations(program(name))
        for out in equation.outvars
        if getattr(out.aval, "size", 0) >= 3000
    )
    assert {kind for what, kind in large if what in ("tanh", "dot_general")} == {dtype}
    other = sum(count for (_, kind), count in large.items() if kind not in (dtype, "bool"))
    assert other < (15 if name == "mixed" else 1), "only residuals are weighted and summed in float64"


@pytest.mark.parametrize("name", ["float64", "mixed", "float32"])
def test_no_matrix_is_multiplied_in_fewer_bits(name):
    """JAX's default takes 10 bits of float32 on GPUs and 8 on TPUs."""
    found = [e.params["precision"] for e in equations(program(name)) if e.primitive.name == "dot_general"]
    assert found and all(set(one) == {jax.lax.Precision.HIGHEST} for one in found)


def test_mixed_precision_goes_on_where_float32_drowns():
    """Parameters, loss and inverse Hessian in float64: quasi-Newton differences keep their digits."""
    options = {"points": FEW, "optimiser": "ssbroyden", "steps": 300, "correct": False}
    mixed, single = (pn.solve(heat(), SMALL, precision=name, **options) for name in ("mixed", "float32"))
    assert mixed.summary["loss"] < 0.3 * single.summary["loss"]
    assert mixed.error()["u"] < single.error()["u"]
    arrays = [leaf.dtype for leaf in jax.tree.leaves(mixed.model) if isinstance(leaf, jax.Array)]
    assert set(arrays) == {np.dtype("f8")} and mixed.summary["precision"] == "mixed"
    better = mixed.corrected(features=150, points=1000)
    assert better.error()["u"] < 1e-9, "a second stage is one of float64"


def test_what_was_trained_in_mixed_precision_is_kept(tmp_path):
    found = pn.solve(heat(), SMALL, points=FEW, steps=3, precision="mixed")
    found.save(tmp_path / "solution.eqx")
    again = pn.load(tmp_path / "solution.eqx", heat())
    points = heat().domain.sample(50, seed=1)
    assert np.array_equal(again(points), found(points))


def test_an_unknown_name():
    with (
        pytest.raises(ValueError, match="'half' is unknown; choose one of float64, mixed, float32"),
        precision("half"),
    ):
        pass


@pytest.mark.skipif(jax.default_backend() == "cpu", reason="a CPU's memory is the host's: nothing is transferred")
@pytest.mark.parametrize("optimiser", ["ssbroyden", "lm", "lbfgs", "adam"])
def test_a_chunk_transfers_nothing(optimiser, monkeypatch):
    """Between what goes into a chunk of steps and what comes out, an accelerator waits for nobody."""
    whole = flat.Flat.chunk

    def guarded(self, method):
        compiled = whole(self, method)

        def call(*arguments):
            given = jax.tree.map(jnp.asarray, arguments)
            with jax.transfer_guard("disallow"):
                return jax.block_until_ready(compiled(*given))

        return call

    monkeypatch.setattr(flat.Flat, "chunk", guarded)
    assert pn.solve(heat(), SMALL, points=FEW, optimiser=optimiser, steps=5).summary["steps"] == 5
