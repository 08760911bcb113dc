"""The equations of a problem as a function of the derivatives that they take, to be differentiated by them."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array

from pinnact.devices import jit
from pinnact.fields import Field, Frame
from pinnact.operators import Index
from pinnact.problem import Problem


@dataclass(frozen=True)
class Rows:
    """The residuals `(r,)` of all equations at a point, given all derivatives of all real outputs there, by index."""

    problem: Problem
    indices: frozenset[Index]
    size: int

    def __call__(self, table: Mapping[Index, ArrayLike], point: Array) -> Array:
        problem, fields = self.problem, {}
        for name, unknown in problem.fields.items():
            own = {i: unknown.assemble(jnp.asarray(table[i])[problem.spans[name]]) for i in sorted(self.indices)}
            fields[name] = _fixed(name, point, problem.frame, own)
        for name, f in problem.coefficient_functions().items():
            fields[name] = Field(name, f, point, problem.frame, {})
        return jnp.concatenate([problem.residuals_by_name[name](fields, point) for name in problem.equations])

    def affine(self) -> bool:
        """Whether the equations are affine in the unknowns: their slopes are the same at two made-up fields."""
        points = jnp.asarray(self.problem.domain.sample(5, seed=7))
        count = sum(unknown.size for unknown in self.problem.fields.values())
        made_up = np.sin(1.0 + np.arange(len(self.indices) * count).reshape(len(self.indices), count))
        one = dict(zip(sorted(self.indices), made_up, strict=True))
        at = jit(jax.vmap(jax.jacfwd(self), in_axes=(None, 0)), seldom=True)  # by operations, each is compiled
        slopes = (at(table, points) for table in (one, {index: -0.6 * value for index, value in one.items()}))
        return all(
            np.allclose(first, second, rtol=1e-9, atol=1e-9 * (1 + np.max(np.abs(first))))
            for first, second in zip(*(jax.tree.leaves(each) for each in slopes), strict=True)
        )


def linearised(problem: Problem) -> Rows | None:
    """The equations as such a function; None where they take values at other points or unknown coefficients."""
    if any(residual.record.probed for residual in problem.residuals_by_name.values()):
        return None
    indices: set[Index] = {()}
    for name in problem.equations:
        residual = problem.residuals_by_name[name]
        if set(residual.arguments) & set(problem.inferred):
            return None
        indices |= {i for unknown in problem.fields for i in residual.record.indices.get(unknown, set())}
    return Rows(problem, frozenset(indices), sum(unknown.size for unknown in problem.fields.values()))


def _fixed(name: str, point: Array, frame: Frame, table: Mapping[Index, Array]) -> Field:
    def no_function(q: Array) -> Array:
        raise TypeError(f"{name}(q) can't be linearised here")

    return Field(name, no_function, point, frame, dict(table))
