"""Loss weights: fixed, balanced by gradient norms, and causal in time."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pinnact.collocation import squares
from pinnact.model import Model
from pinnact.system import Batch, Batches, System

Weights = dict[str, Array]


class AbstractWeights:
    """How much each residual counts: `start` before the first step, `update` every `every` steps (0: never)."""

    every: int

    @abstractmethod
    def start(self, system: System) -> Weights:
        """The weights by residual before the first step."""

    @abstractmethod
    def update(self, system: System, model: Model, batches: Batches, weights: Weights) -> tuple[Weights, Batches]:
        """New weights by residual, and batches with new shares of their points."""


@dataclass(frozen=True)
class Fixed(AbstractWeights):
    """Weights that stay: 1 for equations and data, `conditions` for conditions, or as given by name in `by_name`."""

    by_name: Mapping[str, float] = field(default_factory=dict)
    conditions: float = 100.0
    every: int = 0

    def __post_init__(self) -> None:
        for name, value in {"conditions": self.conditions, **self.by_name}.items():
            if not 0 < value < math.inf:
                raise ValueError(
                    f"weight {name}={value!r}: it must be above 0 and finite; to drop a residual, leave it out"
                )

    def start(self, system: System) -> Weights:
        """The weights by residual."""
        for name in self.by_name:
            if name not in system.problem.residuals_by_name and name not in system.names:
                raise ValueError(f"a weight for {name!r}, which is no residual; there are {', '.join(system.names)}")
        weights = {name: self.conditions if name in system.problem.conditions else 1.0 for name in system.names}
        weights |= {name: value for name, value in self.by_name.items() if name in weights}
        return {name: jnp.asarray(value, jnp.zeros(()).dtype) for name, value in weights.items()}

    def update(self, system: System, model: Model, batches: Batches, weights: Weights) -> tuple[Weights, Batches]:
        """Nothing changes."""
        return weights, batches


@dataclass(frozen=True)
class GradientNorm(AbstractWeights):
    """Weights that make the gradients of all residuals equally long (Wang, Teng, Perdikaris 2021,
    doi:10.1137/20M1318043): `w_k = (sum_j |g_j|) / |g_k|`, averaged exponentially with `memory`.
    """

    every: int = 1000
    memory: float = 0.9
    largest: float = 1e6

    def start(self, system: System) -> Weights:
        """All ones."""
        return {name: jnp.ones(()) for name in system.names}

    def update(self, system: System, model: Model, batches: Batches, weights: Weights) -> tuple[Weights, Batches]:
        """One gradient a residual."""
        found = gradient_norms(system, model, batches)
        total = sum(found.values(), jnp.zeros(()))
        fresh = {name: jnp.clip(total / (norm + 1e-30), 1 / self.largest, self.largest) for name, norm in found.items()}
        return {name: self.memory * weights[name] + (1 - self.memory) * fresh[name] for name in fresh}, batches


@eqx.filter_jit
def gradient_norms(system: System, model: Model, batches: Batches) -> Weights:
    """The norm of the gradient of the mean square of each residual; compiled once a system."""
    unit = {name: jnp.ones(()) for name in system.names}

    def one(name: str) -> Array:
        loss = lambda m: jnp.sum(system.weighted(m, batches, unit)[name] ** 2)
        leaves = jax.tree.leaves(eqx.filter_grad(loss)(model))
        return jnp.sqrt(sum((jnp.sum(leaf**2) for leaf in leaves), jnp.zeros(())))

    return {name: one(name) for name in system.names}


@dataclass(frozen=True)
class Causal(AbstractWeights):
    """Causal shares in time (Wang, Sankaran, Perdikaris 2024, doi:10.1016/j.cma.2024.116813).

    A slice of time counts `exp(-tolerance * sum of the mean squared residuals of the slices before it)`; conditions
    weigh as in `Fixed`.
    """

    tolerance: float = 1.0
    slices: int = 16
    conditions: float = 100.0
    every: int = 100

    def start(self, system: System) -> Weights:
        """As in `Fixed`; a domain without time is refused."""
        if system.problem.domain.time is None:
            raise ValueError("causal weights need a time coordinate; multiply the domain by pn.Time or use pn.Fixed")
        return Fixed(conditions=self.conditions).start(system)

    def update(self, system: System, model: Model, batches: Batches, weights: Weights) -> tuple[Weights, Batches]:
        """New shares of the interior points."""
        low, high = system.problem.domain.bounds[system.problem.domain.time]  # type: ignore[index]
        changed: dict[str, Batch] = dict(batches)
        for name, batch in batches.items():
            if not system.groups[name].interior:
                continue
            found = np.asarray(squares(system, name, model, batch))
            place = np.asarray((batch.points[:, -1] - low) / (high - low) * self.slices).astype(int)
            place = np.clip(place, 0, self.slices - 1)
            count = np.bincount(place, minlength=self.slices)
            mean = np.bincount(place, found, self.slices) / np.maximum(count, 1)
            before = np.concatenate([[0.0], np.cumsum(mean)[:-1]])
            shares = np.exp(-self.tolerance * before)[place]
            changed[name] = batch._replace(shares=jnp.asarray(shares, batch.points.dtype))
        return weights, changed
