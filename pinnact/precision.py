"""Floating-point precision as a context: the library never changes JAX's global configuration."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

PRECISIONS = ("float64", "mixed", "float32")


@contextmanager
def precision(name: str) -> Iterator[None]:
    """The context in which JAX computes in a precision; it holds for the calling thread only.

    `"mixed"` is the context of float64 for fields that are `narrowed`: these and their derivatives in float32, losses,
    parameters and the optimiser's matrices in float64. Float32 is float32: JAX would multiply its matrices with 10 bits
    on GPUs (TF32) and 8 on TPUs, which second derivatives don't survive.
    """
    if name not in PRECISIONS:
        raise ValueError(f"precision {name!r} is unknown; choose one of {', '.join(PRECISIONS)}")
    with jax.enable_x64(name != "float32"), jax.default_matmul_precision("highest"):
        yield


def narrowed(tree: Any) -> Any:
    """The same with all real numbers in float32."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32) if _is_real(leaf) else leaf, tree)


def _is_real(leaf: Any) -> bool:
    return eqx.is_inexact_array(leaf) and not jnp.issubdtype(leaf.dtype, jnp.complexfloating)
