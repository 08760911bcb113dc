"""Every activation on one sheet, and whether each does what it declares."""

import math
import textwrap
import time
from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pinnact import activations
from pinnact.atlas import COLOURS, Finding

GRID = np.linspace(-6.0, 6.0, 1201)
PLACES, STEP = np.arange(-16, 17) / 4, 1e-9  # where derivatives may jump, and how near to look on either side
ELEMENTS, RUNS, COLUMNS = 2**18, 10, 6
CURVES = (("f", COLOURS[2], "-", 2.2), ("f'", COLOURS[1], "--", 1.6), ("f''", COLOURS[0], ":", 1.6))


def cheat_sheet(seeds: int = 5) -> Finding:
    """What an activation declares is what it does: its range, its smoothness, and whether it ever decreases.

    Draws each activation with its first and second derivative, by smoothness, then by range; trained ones as they
    start. Measures the range on [-60, 60]; the smoothness as the order of the first derivative (to the third) that
    jumps at a multiple of 1/4; the slope and the decrease on [-6, 6]; and the time of an element in float32 on this CPU
    over that of relu, measured in turn, the least of 10 runs in each of as many rounds as seeds. Makers whose default
    is another activation (celu_of, elu_of, leaky_relu_of) are left out. Nothing is drawn at random.

    Source: definitions of each activation in pinnact/activations.py and the papers named there.
    """
    shown = {f.name: f for f in _sorted(_distinct())}
    tables = {name: _derivatives(f) for name, f in shown.items()}
    measured = {
        name: _facts(f, tables[name]) | {"cost over relu": _costs(f, rounds=seeds)} for name, f in shown.items()
    }
    return Finding(measured, _checks(measured), {"sheet": _sheet(measured, tables)})


def _distinct() -> list[activations.AbstractActivation]:
    """The catalogue, without makers of fixed activations whose default says on the grid what a fixed one says."""
    found = {word: activations.get(word) for word in activations.names()}
    fixed = [np.asarray(f(GRID)) for word, f in found.items() if f.name == word and not _is_trained(f)]
    same = lambda f: any(np.allclose(f(GRID), values, atol=1e-12) for values in fixed)
    return [f for word, f in found.items() if f.name == word or _is_trained(f) or not same(f)]


def _is_trained(f: activations.AbstractActivation) -> bool:
    return isinstance(f, activations.Trainable)


def _sorted(found: list[activations.AbstractActivation]) -> list[activations.AbstractActivation]:
    """Fixed before trained, rough before smooth, bounded before unbounded."""
    return sorted(found, key=lambda f: (_is_trained(f), f.smoothness, sum(map(math.isinf, f.bounds)), f.name))


def _derivatives(f: activations.AbstractActivation) -> np.ndarray:
    """f, f', f'' and f''' as rows: on the grid, on ten times the grid, and left and right of the places."""
    orders = [reduce(lambda g, _: jax.grad(g), range(order), f) for order in range(4)]
    x = np.concatenate([GRID, 10 * GRID, PLACES - STEP, PLACES + STEP])
    return np.asarray(jax.jit(jax.vmap(lambda x: jnp.stack([g(x) for g in orders]), out_axes=1))(x))


def _facts(f: activations.AbstractActivation, table: np.ndarray) -> dict[str, object]:
    near, both = table[:, : len(GRID)], table[:, : 2 * len(GRID)]
    left, right = np.split(table[:, 2 * len(GRID) :], 2, axis=1)
    jumps = np.flatnonzero(np.any(np.abs(right - left) > 1e-4, axis=1))
    return {
        "formula": f.formula,
        "declared range": list(f.bounds),
        "range": [float(both[0].min()), float(both[0].max())],
        "slope": [float(near[1].min()), float(near[1].max())],
        "declared C^": f.smoothness,
        "C^": float(jumps[0] - 1) if len(jumps) else math.inf,
        "trained": _is_trained(f),
        "declared monotone": f.monotone,
        "decreases": bool(np.any(np.diff(near[0]) < -1e-9) or np.any(both[1] < -1e-9)),
    }


def _costs(f: activations.AbstractActivation, rounds: int) -> list[float]:
    """Time over that of relu, once a round: the least of some runs, since others use the machine too."""
    x = jnp.linspace(-4, 4, ELEMENTS, dtype=jnp.float32)
    compiled = [jax.jit(lambda x, g=g: g(x)) for g in (activations.relu, f)]

    def seconds(g: jax.stages.Wrapped) -> float:
        began = time.perf_counter()
        g(x).block_until_ready()
        return time.perf_counter() - began

    for g in compiled:
        seconds(g)  # compiles
    least = lambda: [min(times) for times in zip(*([seconds(g) for g in compiled] for _ in range(RUNS)), strict=True)]
    return [own / relu for relu, own in (least() for _ in range(rounds))]


def _checks(measured: dict[str, dict]) -> dict[str, bool]:
    rows, infinite = measured.values(), math.inf
    inside = lambda m: m["declared range"][0] - 1e-5 <= m["range"][0] and m["range"][1] <= m["declared range"][1] + 1e-5
    reached = lambda m: all(
        math.isinf(end) or abs(end - seen) < 0.02 for end, seen in zip(m["declared range"], m["range"], strict=True)
    )
    # Derivatives beyond the third aren't looked at, and a trained one may start smoother than training makes it.
    smooth = lambda m: (
        m["C^"] == (m["declared C^"] if m["declared C^"] < 3 else infinite)
        or (m["trained"] and m["C^"] > m["declared C^"])
    )
    return {
        "every value lies in the declared range": all(map(inside, rows)),
        "fixed ones come to within 0.02 of every finite end of it": all(m["trained"] or reached(m) for m in rows),
        "the first derivative that jumps has the declared order": all(map(smooth, rows)),
        "what is declared monotone never decreases": not any(m["declared monotone"] and m["decreases"] for m in rows),
    }


def _sheet(measured: dict[str, dict], tables: dict[str, np.ndarray]) -> Figure:
    count = math.ceil(len(measured) / COLUMNS)
    figure = Figure(figsize=(16.5, 2.35 * count + 0.6), layout="constrained")
    panels = figure.subplots(count, COLUMNS, sharex=True, sharey=True)
    for axes, (name, facts) in zip(panels.flat, measured.items(), strict=False):
        _panel(axes, name, facts, tables[name])
    for axes in panels.flat[len(measured) :]:
        axes.axis("off")
    for axes in panels.flat[len(measured) - COLUMNS : len(measured)]:  # the last of each column
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("x")
    figure.legend(*panels.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=14)
    figure.suptitle("Activations. Each: formula; smoothness, range, time of an element over that of relu", fontsize=17)
    return figure


def _panel(axes: Axes, name: str, facts: dict, table: np.ndarray) -> None:
    for values, (label, colour, style, width) in zip(table, CURVES):
        curve = values[: len(GRID)].copy()
        curve[1:][np.abs(np.diff(curve)) > 0.2] = np.nan  # no line across a jump
        axes.plot(GRID, curve, style, color=colour, linewidth=width, label=label)
    axes.set(xlim=(-4, 4), ylim=(-1.9, 2.4))
    axes.grid(alpha=0.3, linewidth=0.5)
    k = facts["declared C^"]
    end = lambda value: f"{value:.3g}".replace("inf", "∞")
    low, high = map(end, facts["declared range"])
    line = f"{f'C{end(k)}' if k >= 0 else 'jumps'}, [{low}, {high}], {np.median(facts['cost over relu']):.2g} × relu"
    axes.set_title(name + (" (trained)" if facts["trained"] else ""), fontsize=13, fontweight="bold", pad=44)
    text = f"{textwrap.fill(facts['formula'], 30)}\n{line}"
    axes.text(0.5, 1.02, text, transform=axes.transAxes, ha="center", va="bottom", fontsize=10.5)
