"""Small real sets of data that scikit-learn ships, split into cases to train on and cases kept back.

They need the extra `pinnact[atlas]`; `seed` says how a set is shuffled before it is split.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped


class Split(NamedTuple):
    """Inputs and wanted outputs (whole numbers where they are classes), to train on and to test with."""

    x: Float[np.ndarray, "cases inputs"]
    y: Shaped[np.ndarray, " cases"]
    x_test: Float[np.ndarray, "kept inputs"]
    y_test: Shaped[np.ndarray, " kept"]


def digits(count: int, seed: int = 0) -> Split:
    """1,797 images of 8 by 8 grey values, here from -1 to 1, in 10 classes; `count` of them to train on."""
    x, y = _cases("load_digits", seed)
    return Split(x[:count] / 8 - 1, y[:count], x[count:] / 8 - 1, y[count:])


def diabetes(count: int, seed: int = 0) -> Split:
    """442 patients, 10 features and how far the illness went: mean 0 and variance 1 over the `count` to train on."""
    x, y = _cases("load_diabetes", seed)
    x, y = ((a - a[:count].mean(0)) / a[:count].std(0) for a in (x, y))
    return Split(x[:count], y[:count], x[count:], y[count:])


def _cases(loader: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """All cases of one of scikit-learn's sets, in an order that `seed` shuffles."""
    try:
        from sklearn import datasets  # noqa: PLC0415  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError("digits and diabetes come with scikit-learn: install `pinnact[atlas]`") from error
    x, y = getattr(datasets, loader)(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    return x[order].astype(float), y[order]
