"""Where residuals are held: the first points, and points that follow the residual."""

import math
from abc import abstractmethod
from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pinnact.domains import Region
from pinnact.domains.charts import Rows
from pinnact.model import Model
from pinnact.sampling import METHODS
from pinnact.system import Batch, Batches, System


@dataclass(frozen=True)
class Points:
    """How many points: `interior` for equations, `condition` for each condition; drawn by `method`.

    By default 2,000 interior points in up to two dimensions, 4,000 in more, half as many for each mirror symmetry that
    is built in: few enough for fast steps, and where they represent the residual badly, adaptive resampling notices
    (`ResidualAdaptive`).
    """

    interior: int | None = None
    condition: int = 400
    method: str = "sobol"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"sampling method {self.method!r} is unknown; choose one of {', '.join(METHODS)}")
        for name in ("interior", "condition"):
            if (count := getattr(self, name)) is not None and count < 1:
                raise ValueError(f"{name}={count} points; give at least 1")

    def draw(self, system: System, seed: int, times: int = 1) -> Batches:
        """Batches of all groups, with `times` as many points as usual."""
        batches = {}
        usual = (2000 if system.problem.domain.dimension <= 2 else 4000) // system.ansatz.folds
        interior = times * (self.interior or usual)
        for i, (name, group) in enumerate(system.groups.items()):
            if group.observation is not None:
                batches[name] = system.batch(group, system.problem.observations[group.observation].points)
                continue
            assert group.region is not None
            n = interior if group.interior or group.integral else times * self.condition
            sample = group.region.sample(available(group.region, n), self.method, seed + i)
            points, normals = _distinct(sample.points, sample.normals)
            batches[name] = system.batch(group, points, normals)
        return batches


def available(region: Region, n: int) -> int:
    """`n`, or the number of points that are given where a region is a cloud of fewer."""
    parts = [part for part in (*region.pieces, region.body) if part is not None]
    given = [len(part.sampler.rows.points) for part in parts if isinstance(part.sampler, Rows)]
    return min(n, sum(given)) if len(given) == len(parts) else n


def _distinct(points: np.ndarray, normals: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Without repeated points, as a wall that is a single point gives them."""
    _, keep = np.unique(points, axis=0, return_index=True)
    keep = np.sort(keep)
    return points[keep], None if normals is None else normals[keep]


class AbstractResampling:
    """When and how points are drawn anew: asked every `every` steps (0: never)."""

    every: int

    def interval(self, step: int) -> int:
        """How many steps apart it is asked around this one: `every`, unless a method says otherwise."""
        return self.every

    @abstractmethod
    def redraw(self, system: System, model: Model, batches: Batches, seed: int) -> Batches:
        """New batches, or the same ones where nothing needs to change."""

    @abstractmethod
    def spread(self, system: System, model: Model, batches: Batches, seed: int) -> Batches:
        """Batches of the same sizes, spread as this method likes them."""


@dataclass(frozen=True)
class Keep(AbstractResampling):
    """The first points stay."""

    every: int = 0

    def redraw(self, system: System, model: Model, batches: Batches, seed: int) -> Batches:
        """The same batches."""
        return batches

    def spread(self, system: System, model: Model, batches: Batches, seed: int) -> Batches:
        """The same batches."""
        return batches


@dataclass(frozen=True)
class ResidualAdaptive(AbstractResampling):
    """Residual-adaptive distribution, RAD (Wu, Zhu, Tan, Kartha, Lu 2023, doi:10.1016/j.cma.2022.115671).

    Every `every` steps, and every `early` before the first of these, since layers show early and training on points
    that miss them is lost, interior points are drawn from `candidates` times as many, with probability proportional to
    `|r|^power / mean(|r|^power) + floor`. With `gap` above 0 this happens only while the mean squared residual on as
    many fresh points exceeds `gap` times that on the training points: points that already represent the residual stay,
    since every redraw disturbs a second-order method.
    """

    every: int = 500
    early: int = 100
    power: float = 1.0
    floor: float = 1.0
    candidates: int = 5
    gap: float = 0.0

    def interval(self, step: int) -> int:
        """`early` until step `every`, then `every`."""
        return min(self.early or self.every, self.every) if step <= self.every else self.every

    def redraw(self, system: System, model: Model, batches: Batches, seed: int) -> Batches:
        """Batches with new interior points where the residual asks for them."""
        return self._drawn(system, model, batches, seed, self.gap)

    def spread(self, system: System, model: Model, batches: Batches, seed: int) -> Batches:
        """Batches with new interior points, whether there is a gap or not."""
        return self._drawn(system, model, batches, seed, 0.0)

    def _drawn(self, system: System, model: Model, batches: Batches, seed: int, gap: float) -> Batches:
        changed = dict(batches)
        for name, batch in batches.items():
            group = system.groups[name]
            if not group.interior or group.region is None:
                continue
            n = len(batch.points)
            pool = group.region.sample(available(group.region, self.candidates * n), "sobol", seed).points
            if len(pool) <= n:
                continue
            seen = lambda points, name=name, group=group: squares(system, name, model, system.batch(group, points))
            # In parts as large as the batch, for which one function is compiled; the first of them tells the gap.
            fresh, times = np.empty(len(pool)), math.ceil(len(pool) / n)
            fresh[::times] = seen(pool[::times])
            if gap and np.mean(fresh[::times]) <= gap * np.mean(squares(system, name, model, batch)):
                continue
            for k in range(1, times):
                fresh[k::times] = seen(pool[k::times])
            density = fresh ** (self.power / 2)
            density = density / max(np.mean(density), np.finfo(float).tiny) + self.floor
            chosen = np.random.default_rng(seed).choice(len(pool), n, replace=False, p=density / density.sum())
            changed[name] = system.batch(group, pool[np.sort(chosen)])
        return changed


@eqx.filter_jit
def squares(system: System, group: str, model: Model, batch: Batch) -> Float[Array, " n"]:
    """The squared residual at the points of a batch, summed over the equations of a group; compiled once a system."""
    rows = system.residuals(model, {group: batch})
    return sum((jnp.sum(r**2, axis=1) for r in rows.values()), jnp.zeros(len(batch.points)))
