"""Self-checks of this installation on this device: versions, precision, numbers that must come out right, and what to
expect of it: how fast it multiplies, and what its memory is enough for."""

import statistics
import time
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from pinnact import activations
from pinnact.memory import MOST, PASSES, bytes_free
from pinnact.operators import forward, hessian_engine
from pinnact.optimisers import SelfScaledBroyden
from pinnact.precision import precision
from pinnact.versions import versions

SLOW = 1 / 8  # of the speed of float32, below which float64 is emulated or left to a few units
SIDE, TIMES = 1500, 5  # of matrices that are multiplied, and how often
UNITS, DERIVATIVES = 72, 4  # of the default network and of Burgers' equation: u, u_x, u_t, u_xx


@dataclass(frozen=True)
class Check:
    """One self-check: what was checked, whether it holds, what was seen."""

    name: str
    holds: bool
    seen: str


def large_reduction() -> Check:
    """A vmapped matrix-vector product, reduced over more than 16,384 rows: wrong in jax 0.10.2 (jax issue 39103)."""
    with precision("float64"):
        matrix, rows = jnp.ones((64, 64)), jnp.ones((65536, 64))
        function = lambda w, x: jnp.sum(jax.vmap(lambda v: w @ v)(x))
        seen, exact = float(jax.jit(function)(matrix, rows)), 65536 * 64 * 64
    return Check("compiled reduction over 65536 rows", seen == exact, f"{seen:.0f}, exact {exact}")


def compiled_agrees() -> Check:
    """The same network and derivative compiled and uncompiled."""
    with precision("float64"):
        weights = jnp.asarray(np.random.default_rng(0).normal(size=(3, 16, 16)))
        points = jnp.asarray(np.random.default_rng(1).normal(size=(2048, 16)))

        def network(x: jax.Array) -> jax.Array:
            for w in weights:
                x = jnp.tanh(w @ x)
            return jnp.sum(x)

        function = lambda p: jnp.sum(jax.vmap(lambda x: jax.jvp(network, (x,), (jnp.ones(16),))[1])(p) ** 2)
        compiled = float(jax.jit(function)(points))
        with jax.disable_jit():
            plain = float(function(points))
    difference = abs(compiled - plain) / abs(plain)
    return Check("compiled against uncompiled", difference < 1e-12, f"relative difference {difference:.1e}")


def derivatives_agree() -> Check:
    """The default engine against `jax.hessian` for each smooth activation, to the second order."""
    indices = [(), (0,), (1,), (0, 0), (0, 1), (2, 2)]
    catalogue = {name: activations.get(name) for name in activations.names()}
    smooth = {n: a for n, a in catalogue.items() if a.smoothness >= 2 and isinstance(a, activations.Activation)}

    def errors(x: jax.Array) -> dict[str, jax.Array]:
        found = {}
        for name, activation in smooth.items():
            f = lambda p, a=activation: jnp.sum(a(jnp.array([1.0, 0.5, -0.3]) * p + p[0] * p[1]))
            ours, reference = forward(f, x, indices), hessian_engine(f, x, indices)
            found[name] = jnp.max(jnp.stack([jnp.abs(ours[i] - reference[i]) for i in indices]))
        return found

    with precision("float64"):
        found = jax.jit(errors)(jnp.array([0.3, -0.7, 0.2]))
    where = max(found, key=lambda name: float(found[name]))
    worst = float(found[where])
    return Check("derivatives against jax.hessian", worst < 1e-12, f"largest difference {worst:.1e} {where}")


def has_float64() -> Check:
    """Whether float64 is really 64 bits on this device."""
    with precision("float64"):
        seen = float(jax.jit(lambda x: (x + 1e-12) - x)(jnp.ones(())))
    return Check("float64", abs(seen - 1e-12) < 1e-15, f"(1 + 1e-12) - 1 = {seen:.3e}")


def products(name: str) -> float:
    """Flops a second in products of two square matrices in a precision, the median of some."""
    with precision(name):
        matrix = jnp.asarray(np.random.default_rng(0).normal(size=(SIDE, SIDE)), jnp.zeros(()).dtype)
        product, seconds = jax.jit(lambda a: a @ a), []
        for _ in range(TIMES + 1):  # the first one compiles
            began = time.perf_counter()
            jax.block_until_ready(product(matrix))
            seconds.append(time.perf_counter() - began)
    return 2 * SIDE**3 / statistics.median(seconds[1:])


def expected(double: float, single: float, free: float) -> dict[str, str]:
    """What to expect of a device with these flops a second in float64 and float32 and so many free bytes."""
    if double < SLOW * single:
        advice = "float64 is slow here: try --precision mixed, or --device cpu for small problems"
    else:
        advice = "train in float64, as by default"
    room = MOST * free / 8
    parameters, points = (room / SelfScaledBroyden().numbers(0, 1)) ** 0.5, room / (PASSES * DERIVATIVES * UNITS)
    return {
        "float64 products": f"{_about(double / 1e9)} Gflop/s, float32 {_about(single / 1e9)}: {advice}",
        "memory": f"{free / 1e9:.3g} GB are free, enough for {_about(parameters)} parameters with ssbroyden (more with "
        f"lbfgs), or {_about(points)} points with the default network",
    }


def _about(number: float) -> str:
    """Two digits of a large number."""
    return f"{float(f'{number:.1e}'):,.0f}"


def examine() -> tuple[dict[str, str], list[str], list[Check]]:
    """Versions and what to expect, devices, and the results of all checks."""
    devices = [f"{device.platform} {device.id}: {device.device_kind}" for device in jax.devices()]
    found = versions() | expected(products("float64"), products("float32"), bytes_free())
    return found, devices, [has_float64(), large_reduction(), compiled_agrees(), derivatives_agree()]
