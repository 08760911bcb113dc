"""Sums over points in parts: what a processor computes at once should stay in its caches."""

import math
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

if TYPE_CHECKING:
    from pinnact.system import Batch, Batches


def split(batch: "Batch", parts: int) -> "Batch":
    """A batch with one more axis in front, of `parts`: filled up with points whose share is 0, the other shares scaled
    so that the sums of `share r^2 / n` over the n points of each part add up to that of all.

    The points of a part lie `parts` apart: on several devices each then has some of every part.
    """
    count = len(batch.points)
    size = math.ceil(count / parts)

    def of(leaf: Array, mode: str = "edge") -> Array:
        room = [(0, size * parts - count), *([(0, 0)] * (leaf.ndim - 1))]
        return jnp.moveaxis(jnp.pad(leaf, room, mode=mode).reshape(size, parts, *leaf.shape[1:]), 1, 0)

    return jax.tree.map(of, batch)._replace(shares=of(batch.shares * (size / count), "constant"))


def summed(
    function: "Callable[[Batches], Any]", zero: Any, batches: "Batches", whole: Collection[str], most: int
) -> Any:
    """The sum of `function(part)`, alike `zero`, over parts of at most `most` points, each of one group.

    Groups in `whole` stay in one piece, and all together where none has more points.
    """
    counts = {name: 1 if name in whole else math.ceil(len(batch.points) / most) for name, batch in batches.items()}
    if max(counts.values()) == 1:
        return function(batches)
    add = lambda sums, part: jax.tree.map(jnp.add, sums, function(part))
    for name, batch in batches.items():
        if counts[name] == 1:
            zero = add(zero, {name: batch})
        else:
            step = lambda sums, part, name=name: (add(sums, {name: part}), None)
            zero, _ = jax.lax.scan(step, zero, split(batch, counts[name]))
    return zero
