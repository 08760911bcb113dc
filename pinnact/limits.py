"""When training stops."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Limits:
    """When training stops: seconds of wall clock, steps, a loss small enough, steps without progress."""

    budget: float | None = 60.0
    steps: int | None = None
    tolerance: float | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        if self.budget is None and self.steps is None:
            raise ValueError("neither a budget nor steps: training would never end; give budget=60 or steps=1000")
        for name in ("budget", "steps", "tolerance", "patience"):
            value = getattr(self, name)
            if value is not None and not (
                isinstance(value, int | float | np.number) and value > 0 and math.isfinite(value)
            ):
                raise ValueError(f"{name}={value!r}: it must be above 0 and finite, a number")


def minutes(value: float) -> float:
    """Minutes as seconds, for `budget=pn.minutes(10)`."""
    return 60.0 * value
