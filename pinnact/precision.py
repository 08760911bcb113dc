"""Floating-point precision as a context: the library never changes JAX's global configuration."""

from contextlib import AbstractContextManager

import jax
import numpy as np

PRECISIONS = ("float64", "float32")


def precision(name: str) -> AbstractContextManager[None]:
    """The context in which JAX computes in `"float64"` or `"float32"`; it holds for the calling thread only."""
    if name not in PRECISIONS:
        raise ValueError(f"precision {name!r} is unknown; choose one of {', '.join(PRECISIONS)}")
    return jax.enable_x64(name == "float64")


def dtype(name: str) -> np.dtype:
    """The NumPy dtype of a precision name."""
    return np.dtype(name)
