"""How sure a mean over seeds is."""

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit


def mean_interval(values: Float[np.ndarray, " seeds"]) -> list[float]:
    """The mean, and its 95 % interval by Student's t: `mean -+ t s / sqrt(n)`; of a single value the whole line."""
    mean, n = float(np.mean(values)), len(values)
    half = float(stdtrit(n - 1, 0.975) * np.std(values, ddof=1) / n**0.5) if n > 1 else np.inf
    return [mean, mean - half, mean + half]
