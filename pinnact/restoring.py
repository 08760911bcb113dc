"""What a checkpoint holds is looked at before a run takes it: plain numbers, and arrays put back where they were.

A file with the right checksum may still hold what no run has written, by another program or a hand: it is refused with
the value, the reason and the repair.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pinnact.checkpoints import Saved
from pinnact.files import shown
from pinnact.history import History

MOST = 10**12  # steps: the digits that the name of a checkpoint has


def unusable(saved: Saved, reason: str) -> ValueError:
    """The error of a checkpoint that no run can have written."""
    return ValueError(f"{saved.path}: {reason}; remove it to go on from the one before, or start anew")


def plain(saved: Saved, wanted: Mapping[str, Callable[[Any], bool]]) -> dict[str, Any]:
    """The plain numbers, by name; ValueError unless they are exactly those `wanted`, each as its test there asks."""
    for name in wanted:
        if name not in saved.numbers:
            raise unusable(saved, f"it lacks the {name} of the run")
    for name, value in saved.numbers.items():
        if name not in wanted:
            raise unusable(saved, f"it holds {shown(name)}, which is nothing of this run")
        if not wanted[name](value):
            raise unusable(saved, f"its {name} is {shown(value)}, which can't be in this run")
    return dict(saved.numbers)


def is_count(value: object) -> bool:
    """Whether this is a number of steps."""
    return type(value) is int and 0 <= value < MOST


def is_seconds(value: object) -> bool:
    """Whether this is a finite time, 0 or more."""
    return type(value) is float and math.isfinite(value) and value >= 0


def restore(saved: Saved, arrays: Sequence[np.ndarray], like: Any, shapes: bool = True) -> Any:
    """The pytree `like` (arrays, or their shapes) with saved `arrays` in place of its own.

    Raises ValueError where their number, a type or a shape differs; without `shapes` they may have other rows.
    """
    leaves, structure = jax.tree.flatten(like)
    if len(leaves) != len(arrays):
        raise ValueError(f"{saved.path}: holds {len(arrays)} arrays where {len(leaves)} are needed; start anew")
    values = []
    for leaf, array in zip(leaves, arrays, strict=True):
        is_key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        own = jax.eval_shape(jax.random.key_data, leaf) if is_key else leaf
        rows = 0 if shapes else 1
        same = array.ndim == len(own.shape) and array.shape[rows:] == own.shape[rows:]
        if array.dtype != own.dtype or not same:
            was, now = f"{array.dtype}{list(array.shape)}", f"{own.dtype}{list(own.shape)}"
            raise ValueError(f"{saved.path}: of another network or optimiser, {was} instead of {now}; give the same")
        values.append(jax.random.wrap_key_data(jnp.asarray(array)) if is_key else jnp.asarray(array))
    return jax.tree.unflatten(structure, values)


def refill(saved: Saved, arrays: Sequence[np.ndarray], history: History) -> None:
    """The rows of a history from the one array that holds them."""
    table: np.ndarray = arrays[0] if len(arrays) == 1 else np.empty(0)
    columns = len(history.columns)
    if table.dtype != float or table.ndim != 2 or table.shape[1] != columns:
        raise unusable(saved, f"its history is {table.dtype}{list(table.shape)} and not rows of {columns} numbers")
    if not all(value.is_integer() and 0 <= value < MOST for value in table[:, 0].tolist()):
        raise unusable(saved, "a row of its history is of no step")
    history.fill(table)


def structure(tree: Any) -> str:
    """The types and fields that a pytree is made of, without addresses in memory."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(jax.tree.structure(tree)))
