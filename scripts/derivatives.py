"""What a Laplacian costs by dimension and engine: time and memory of a loss and its gradient, a table and a figure.

python scripts/derivatives.py            # one to four minutes; writes docs/derivatives.png

A tanh MLP of three hidden layers, float64, the mean of (Lap u - 1)^2 and its gradient by all weights, compiled; medians
of runs taken in turns; memory is what XLA plans for temporary arrays. Both are given a point, since `jax.hessian` in
many dimensions has no room for the thousand points of the others.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib
import numpy as np

import pinnact as pn
from pinnact.networks import Inputs
from pinnact.operators import automatic, estimated, forward, total

matplotlib.use("Agg")
import matplotlib.pyplot as plt

DIMENSIONS = (1, 2, 3, 10, 100, 1000)
WIDTHS = (32, 128)
PICKED = 16
MOST_NESTED = 10  # dimensions, beyond which nested jvp, a name for each derivative, takes minutes to compile
COLOURS = {"jax.hessian": "C3", "nested jvp": "C1", "auto": "C0", f"stochastic:{PICKED}": "C2"}


def losses(d: int) -> dict[str, tuple[Callable, int]]:
    """The loss of a model at points with each engine, and the number of points it is given."""
    index = total(range(d))

    def of(laplacian: Callable) -> Callable:
        every = jax.vmap(laplacian, in_axes=(None, 0, 0))
        return lambda model, points, picked: jnp.mean((every(model, points, picked) - 1) ** 2)

    def taken(engine: Callable) -> Callable:
        return of(lambda f, x, picked: engine(f, x, picked)[index][0])

    few = min(1000, max(10, 10_000 // d))
    found = {"jax.hessian": (of(lambda f, x, _: jnp.trace(jax.hessian(lambda y: f(y)[0])(x))), few)}
    if d <= MOST_NESTED:
        found["nested jvp"] = (taken(lambda f, x, _: forward(f, x, [index])), 1000)
    found["auto"] = (taken(lambda f, x, _: automatic(f, x, [index])), 1000)
    if d > 50:
        found[f"stochastic:{PICKED}"] = (taken(lambda f, x, picked: estimated(f, x, [index], picked)), 1000)
    return found


def measure(d: int, width: int, seconds: float) -> dict[str, tuple[float, float]]:
    """Microseconds and kilobytes a point, by engine."""
    names = {f"x{i}": (-1.0, 1.0) for i in range(d)}
    model = pn.MLP(width, 3).build(Inputs(names), 1, jax.random.key(0))
    arrays, static = eqx.partition(model, eqx.is_inexact_array)
    draw = np.random.default_rng(0)
    calls, times, kilobytes = {}, {}, {}
    for name, (loss, n) in losses(d).items():
        points = jnp.asarray(draw.uniform(-1, 1, (n, d)))
        picked = jnp.asarray(np.stack([draw.permutation(d)[:PICKED] for _ in range(n)]))
        given = (arrays, points, picked)
        whole = lambda a, x, k, loss=loss: loss(eqx.combine(a, static), x, k)
        compiled = jax.jit(jax.value_and_grad(whole)).lower(*given).compile()
        memory = compiled.memory_analysis()
        kilobytes[name] = (memory.temp_size_in_bytes if memory else float("nan")) / n / 1e3
        calls[name], times[name] = (lambda c=compiled, g=given: jax.block_until_ready(c(*g))), []
        calls[name]()
    began = time.perf_counter()
    while len(times["auto"]) < 3 or time.perf_counter() - began < seconds:
        for name, call in calls.items():
            clock = time.perf_counter()
            call()
            times[name].append(1e6 * (time.perf_counter() - clock) / losses(d)[name][1])
    return {name: (statistics.median(times[name]), kilobytes[name]) for name in calls}


def draw(found: dict[int, dict[int, dict[str, tuple[float, float]]]], out: Path) -> None:
    """The figure of what was measured, by width, dimension and engine."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for (width, rows), line in zip(found.items(), ("-", "--"), strict=True):
        for i, axis in enumerate(axes):
            for name, colour in COLOURS.items():
                taken = [d for d in rows if name in rows[d]]
                label = name if width == WIDTHS[0] else None
                axis.plot(taken, [rows[d][name][i] for d in taken], line, color=colour, marker="o", ms=3, label=label)
    for axis, title in zip(axes, ("microseconds a point", "kB a point"), strict=True):
        axis.set(xscale="log", yscale="log", xlabel="dimensions", title=title)
    axes[0].legend(title="3x{}; dashed 3x{}".format(*WIDTHS), fontsize="small", title_fontsize="small")
    figure.suptitle("Laplacian in a squared residual, and its gradient by the weights", fontsize="medium")
    figure.savefig(out, dpi=110)


def main() -> None:
    """One line a dimension and width; then the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each dimension and width, compilation aside")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs" / "derivatives.png")
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    heads = [f"{name}, {unit}" for unit in ("us", "kB") for name in COLOURS]
    print(f"| width | d | {' | '.join(heads)} |\n" + "|---" * (2 + len(heads)) + "|", flush=True)
    found: dict[int, dict[int, dict[str, tuple[float, float]]]] = {}
    for width in WIDTHS:
        for d in DIMENSIONS:
            row = found.setdefault(width, {})[d] = measure(d, width, options.seconds)
            cells = [f"{row[name][i]:.3g}" if name in row else "" for i in (0, 1) for name in COLOURS]
            print(f"| {width} | {d} | {' | '.join(cells)} |", flush=True)
    draw(found, options.out)


if __name__ == "__main__":
    main()
