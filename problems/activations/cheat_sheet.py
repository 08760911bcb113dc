"""Every activation on one sheet, and whether each does what it declares."""

import math
import time
from collections.abc import Callable
from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from pinnact import activations
from pinnact.atlas import Finding

GRID = np.linspace(-6.0, 6.0, 1201)
ELEMENTS = 1_000_000


def cheat_sheet(seeds: int = 5) -> Finding:
    """What an activation declares is what it does: its range, its smoothness, and whether it ever decreases.

    Draws each activation with its first and second derivative. Measures the range on [-60, 60]; the smoothness as the
    order of the first derivative (to the third) that jumps at a multiple of 1/4; the decrease on the grid; and the time
    of an element in float32 over that of relu, the median of 15. `seeds` plays no part: nothing is drawn at random.

    Source: definitions of each activation in pinnact/activations.py and the papers named there.
    """
    found = {name: _measured(name) for name in activations.names()}
    relu = _seconds(activations.relu)
    measured = {
        name: facts | {"cost over relu": _seconds(activations.get(name)) / relu} for name, facts in found.items()
    }
    return Finding(measured, _checks(measured), {"sheet": _sheet()})


def _measured(name: str) -> dict[str, object]:
    f = activations.get(name)
    x = np.concatenate([GRID, 10 * GRID])
    y, slope = (np.asarray(jax.jit(jax.vmap(g))(x)) for g in (f, jax.grad(f)))
    return {
        "formula": f.formula,
        "declared range": list(f.bounds),
        "range": [float(y.min()), float(y.max())],
        "declared C^": f.smoothness,
        "C^": _smoothness(f),
        "trained": isinstance(f, activations.Trainable),
        "declared monotone": f.monotone,
        "decreases": bool(np.any(np.diff(y[: len(GRID)]) < -1e-9) or np.any(slope < -1e-9)),
    }


def _smoothness(f: Callable) -> float:
    """The k of C^k as seen: one less than the order of the first derivative that jumps, infinity if none does."""
    places, step = np.arange(-16, 17) / 4, 1e-9
    for order in range(4):
        g = jax.jit(jax.vmap(reduce(lambda h, _: jax.grad(h), range(order), f)))
        left, right = (np.asarray(g(places + side)) for side in (-step, step))
        if np.any(np.abs(right - left) > 1e-4):
            return order - 1
    return math.inf


def _seconds(f: Callable) -> float:
    x = jnp.linspace(-4, 4, ELEMENTS, dtype=jnp.float32)
    compiled = jax.jit(lambda x: f(x))
    compiled(x).block_until_ready()
    times = []
    for _ in range(15):
        began = time.perf_counter()
        compiled(x).block_until_ready()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def _checks(measured: dict[str, dict]) -> dict[str, bool]:
    inside = lambda m: m["declared range"][0] - 1e-5 <= m["range"][0] and m["range"][1] <= m["declared range"][1] + 1e-5
    # A trained one starts as its base, which may be smoother than what training makes of it.
    smooth = lambda m: (
        m["C^"] == min(m["declared C^"], 3)
        or m["C^"] == m["declared C^"]
        or (m["C^"] >= m["declared C^"] and (m["trained"] or m["declared C^"] >= 3))
    )
    return {
        "every value lies in the declared range": all(map(inside, measured.values())),
        "the first derivative that jumps has the declared order": all(map(smooth, measured.values())),
        "what is declared monotone never decreases": not any(
            m["declared monotone"] and m["decreases"] for m in measured.values()
        ),
    }


def _sheet() -> Figure:
    names = activations.names()
    rows = math.ceil(len(names) / 6)
    figure = Figure(figsize=(11, 1.55 * rows), layout="constrained")
    for number, name in enumerate(names):
        f = activations.get(name)
        axes = figure.add_subplot(rows, 6, number + 1)
        x = np.linspace(-4, 4, 801)
        for order, (style, label) in enumerate((("C0-", "f"), ("C1--", "f'"), ("C3:", "f''"))):
            g = reduce(lambda h, _: jax.grad(h), range(order), f)
            axes.plot(x, np.asarray(jax.jit(jax.vmap(g))(x)), style, linewidth=1.2, label=label)
        smooth = "inf" if math.isinf(f.smoothness) else f"{f.smoothness:.0f}"
        axes.set_title(f"{name}, C^{smooth}", fontsize=8)
        axes.set(xlim=(-4, 4), ylim=(-1.6, 2.4))
        axes.tick_params(labelsize=6)
        axes.grid(alpha=0.3, linewidth=0.5)
    figure.axes[0].legend(fontsize=6, frameon=False, loc="upper left")
    figure.suptitle("Activations f(x) with first and second derivative", fontsize=10)
    return figure
