"""What a run will need of memory, from formulas that were fitted to what XLA reports, checked before anything is made.

For p parameters and r rows an optimiser holds `numbers(r, p)` floats at its peak. Beside that, loss and gradient hold
`3 k s` floats a point and each of its images in mirrors, for k derivatives that the equations take (the value among
them) and s units of the networks: of `most_points` at once on one processor, or of all points where a method takes rows
of all, on several devices, and with random directions.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from pinnact.devices import device, on_accelerator
from pinnact.operators import FEW, SUM, Index
from pinnact.optimisers import Stage
from pinnact.system import Batches, System

PASSES = 3  # floats that reverse mode keeps of each derivative of each unit
BASE = 0.75e9  # bytes of Python, JAX and what it compiles
# Results of a layer that a processor computes at once, 192 kB: of 96,000 each takes 2 to 4 times as long.
AT_ONCE = 24_000
MOST = 0.9  # the share of what is free that a run may plan with


def most_points(model: Any) -> int:
    """How many points loss and gradient take at once on a processor, by the widest layer; on an accelerator all."""
    return 2**31 if on_accelerator() else max(1, AT_ONCE // max(_layers(model), default=1))


def _layers(model: Any) -> list[int]:
    """The units of each layer."""
    return [leaf.shape[0] for leaf in jax.tree.leaves(model) if isinstance(leaf, jax.Array) and leaf.ndim == 2]


def bytes_needed(system: System, model: Any, batches: Batches, plan: Sequence[Stage], most: int) -> float:
    """Bytes at the peak of the hungriest stage, beside those of the process itself; `most` points are summed over at
    once."""
    leaves = [leaf for leaf in jax.tree.leaves(model) if isinstance(leaf, jax.Array)]
    parameters = sum(leaf.size for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.inexact))
    layers, each = _layers(model), jnp.zeros(()).dtype.itemsize
    field, found = 4 if system.mixed else each, 0.0
    for stage in plan:
        rows, jets = 0, 0
        for name, batch in batches.items():
            group, points = system.groups[name], stage.times * len(batch.points)
            rows += points * sum(group.widths)
            held = points if stage.optimiser.at_once or group.integral else min(points, most)
            jets += held * sum(_carried(index, max(layers, default=0)) for index in system.indices(group))
        jets *= PASSES * system.ansatz.folds * sum(layers)
        found = max(found, jets * field + stage.optimiser.numbers(rows, parameters) * each)
    return found


def _carried(index: Index, widest: int) -> int:
    """How many derivatives one of them takes: a sum one a direction, and itself."""
    if index[:1] != (SUM,):
        return 1
    return 1 + (len(index) - 1 if len(index) <= FEW + 1 else min(len(index) - 1, widest))


def bytes_free() -> float:
    """Bytes that are free on JAX's default device; infinite where it can't be known."""
    stats: Mapping[str, int] = (getattr(device(), "memory_stats", lambda: None)() or {}) if on_accelerator() else {}
    if "bytes_limit" in stats:
        return float(stats["bytes_limit"] - stats.get("bytes_in_use", 0))
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            found = dict(line.split(":", 1) for line in file)
        return 1024.0 * float(found["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        return (
            1.0 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else float("inf")
        )


def check(system: System, model: Any, batches: Batches, plan: Sequence[Stage], most: int) -> None:
    """ValueError where a run can't fit into what is free, with what to lower."""
    needed, free = bytes_needed(system, model, batches, plan, most), MOST * bytes_free()
    if needed > free:
        points = sum(len(batch.points) for batch in batches.values())
        names = "+".join(stage.optimiser.name for stage in plan)
        raise ValueError(
            f"{names} on {points} points needs about {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free: take a "
            "smaller network, fewer points (pn.Points) or optimiser='lbfgs'"
        )
