"""One training step (loss and gradient) of Burgers: this package against the residual written by hand."""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp

import pinnact as pn
from pinnact import library
from pinnact.collocation import Points
from pinnact.lifts import for_problem
from pinnact.model import build_model
from pinnact.system import System
from pinnact.weights import Fixed


def compare(points: int = 4000, repeats: int = 60) -> float:
    """Print the median times, taken in turns, and return their ratio."""
    jax.config.update("jax_enable_x64", True)
    problem = library.make(library.find("pde/burgers"), {})
    system = System(problem, replace(for_problem(problem), mirrors=()))  # what is written out has none either
    batches, weights = Points(interior=points).draw(system, 0), Fixed().start(system)
    model = build_model(problem, pn.MLP(), jax.random.key(0))
    trainables, static = eqx.partition(model, eqx.is_inexact_array)
    flat, unravel = jax.flatten_util.ravel_pytree(trainables)
    where = batches["interior"].points
    viscosity = problem.coefficients["viscosity"]
    scale = float(system.ansatz.trial(jnp.ones(1), jnp.array([0.0, 1.0]))[0])  # the factor's largest value

    def ours(p: jax.Array, x: jax.Array) -> jax.Array:
        batch = {"interior": batches["interior"]._replace(points=x)}
        return system.loss(eqx.combine(unravel(p), static), batch, weights)

    def by_hand(p: jax.Array, x: jax.Array) -> jax.Array:
        outputs = eqx.combine(unravel(p), static).outputs

        def u(q: jax.Array) -> jax.Array:
            return -jnp.sin(jnp.pi * q[0]) + scale * q[1] * (1 - q[0] ** 2) * outputs(q)[0]

        def residual(q: jax.Array) -> jax.Array:
            ex, et = jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])
            (value, u_x), (_, u_xx) = jax.jvp(lambda s: jax.jvp(u, (s,), (ex,)), (q,), (ex,))
            u_t = jax.jvp(u, (q,), (et,))[1]
            return u_t + value * u_x - viscosity * u_xx

        return jnp.mean(jax.vmap(residual)(x) ** 2)

    functions: dict[str, Callable] = {"pinnact": ours, "by hand (jax.jvp)": by_hand}
    compiled = {name: jax.jit(jax.value_and_grad(f)) for name, f in functions.items()}
    values = {name: compiled[name](flat, where) for name in compiled}
    (a, _), (b, _) = values.values()
    assert abs(float(a) - float(b)) < 1e-12 * abs(float(b)), f"the two losses differ: {a}, {b}"
    times: dict[str, list[float]] = {name: [] for name in compiled}
    for _ in range(repeats):
        for name, function in compiled.items():
            clock = time.perf_counter()
            jax.block_until_ready(function(flat, where))
            times[name].append(time.perf_counter() - clock)
    medians = {name: statistics.median(t) for name, t in times.items()}
    for name, seconds in medians.items():
        print(f"{name:20s} {1e3 * seconds:7.2f} ms for loss and gradient at {points} points")
    ratio = medians["pinnact"] / medians["by hand (jax.jvp)"]
    print(f"ratio {ratio:.2f}")
    return ratio


if __name__ == "__main__":
    print(Path(__file__).name)
    compare()
