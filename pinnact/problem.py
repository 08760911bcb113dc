"""A problem: which residuals of its fields vanish on which regions. Everything is checked when it is made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pinnact.coefficients import Guess, check_guess
from pinnact.domains import Domain, Region
from pinnact.fields import Frame
from pinnact.observations import Observation
from pinnact.operators import PointFunction
from pinnact.precision import precision
from pinnact.residuals import POINT, Residual, Unknown, argument_names, by_name, fields_at, trace

UNNAMED = "problem"
RESERVED = ("interior", "step", "seconds", "loss", "error")  # columns of the history and the group of the equations


@dataclass(frozen=True)
class On:
    """A condition: `residual`, a function of named arguments, vanishes on `region`.

    Dirichlet `lambda u: u - 1`, Neumann `lambda u, normal: u.grad @ normal`, Robin, periodic `lambda u, y: u -
    u(jnp.array([1.0, y]))`, or any other operator.
    """

    region: Region
    residual: Callable[..., Any]


@dataclass(frozen=True)
class Integral:
    """A condition on an integral: `int_region integrand = equals`, by quasi-Monte Carlo on the region's points."""

    region: Region
    integrand: Callable[..., Any]
    equals: float = 0.0


@dataclass(frozen=True, eq=False)
class Problem:
    """Equations on a domain, conditions on regions, and what is known of the solution.

    `unknowns` is a name, a tuple of names, or a mapping from name to 1, a number of components, or `complex`.
    `coefficients` maps names to numbers or to functions of the coordinates; `equations` and `conditions` map names to
    residuals (functions whose argument names pick what they get) and to `On` or `Integral`. Besides coordinates by
    name, every function may ask for `point`: all coordinates in the order of the domain, shape `(d,)`.
    `reference` is a function of coordinates, or a mapping of such functions by unknown, used for scoring only.
    `ansatz` maps an unknown to a function that is given the raw network as `u` besides coordinates: it replaces what
    the library builds in by itself. A wrong problem raises ValueError here, with what to repair.
    """

    domain: Domain
    equations: Mapping[str, Callable[..., Any]]
    unknowns: str | Sequence[str] | Mapping[str, Any] = ("u",)
    conditions: Mapping[str, On | Integral] = field(default_factory=dict)
    coefficients: Mapping[str, Any] = field(default_factory=dict)
    reference: Callable[..., Any] | Mapping[str, Callable[..., Any]] | None = None
    ansatz: Mapping[str, Callable[..., Any]] | None = None
    name: str = UNNAMED
    inferred: Mapping[str, Guess] = field(default_factory=dict)
    observations: tuple[Observation, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.domain, Domain):
            raise ValueError(f"domain={self.domain!r} is no domain; use pn.Interval, pn.Box, pn.Disk ... (* pn.Time)")
        for what in ("equations", "conditions", "coefficients"):
            if not isinstance(getattr(self, what), Mapping):
                raise ValueError(f"{what}={getattr(self, what)!r} have no names; give {what}={{'name': ...}}")
        self._check_names()
        for name, condition in self.conditions.items():
            if not isinstance(condition, On | Integral):
                raise ValueError(
                    f"condition {name!r} is a {type(condition).__name__}; wrap it: pn.On(region, residual)"
                )
            if not isinstance(condition.region, Region):
                raise ValueError(
                    f"condition {name!r} lies on {condition.region!r}; give a region, e.g. domain.boundary"
                )
            if condition.region.measure <= 0:
                raise ValueError(
                    f"condition {name!r} lies on {condition.region!r}, which is empty; give another region"
                )
            if condition.region.coordinates != self.domain.coordinates:
                raise ValueError(
                    f"condition {name!r} lies on a region with coordinates {condition.region.coordinates}, "
                    f"the problem's are {self.domain.coordinates}; take the region from the problem's own domain"
                )
        _ = self.residuals_by_name  # traces every residual once

    def _check_names(self) -> None:
        spaces = {
            "coordinate": self.domain.coordinates,
            "unknown": tuple(self.fields),
            "coefficient": tuple(self.coefficients),
        }
        seen: dict[str, str] = {"normal": "the outward normal", POINT: "the whole point"}
        for kind, names in spaces.items():
            for name in names:
                if not name.isidentifier():
                    raise ValueError(f"{kind} {name!r} is no Python name, so no residual can ask for it; rename it")
                if name in seen:
                    raise ValueError(f"{name!r} is both {seen[name]} and {kind}; rename one of them")
                seen[name] = kind
        if not self.fields:
            raise ValueError("a problem needs at least one unknown; give unknowns=('u',)")
        if not self.equations and not self.conditions and not self.observations:
            raise ValueError("a problem needs at least one equation; give equations={'name': residual}")
        for name in self.equations.keys() & self.conditions.keys():
            raise ValueError(f"{name!r} names both an equation and a condition; rename one of them")
        for name in (*self.equations, *self.conditions):
            if name in RESERVED or name.rstrip("0123456789") == "data":
                raise ValueError(f"{name!r} can't name a residual: the history and the data use this name; rename it")
        self._check_known()

    def _check_known(self) -> None:
        """That references and ansatzes belong to unknowns and ask for what they can have."""
        references = self.reference
        if callable(references):
            if len(self.fields) > 1:
                raise ValueError("several unknowns need a reference by name: reference={'u': f, 'v': g}")
            references = {next(iter(self.fields)): references}
        if not isinstance(references, Mapping | None):
            raise ValueError(
                f"reference={self.reference!r} is no function of the coordinates; give one, or one by name"
            )
        within = (*self.domain.coordinates, POINT)
        for what, functions, known in (
            ("reference", references or {}, within),
            ("ansatz", self.ansatz or {}, (*self.fields, *within)),
        ):
            for name, function in functions.items():
                if name not in self.fields:
                    raise ValueError(
                        f"{what} for {name!r}, which is no unknown; the unknowns are {', '.join(self.fields)}"
                    )
                for argument in argument_names(function, f"{what} of {name!r}"):
                    if argument not in known:
                        raise ValueError(f"{what} of {name!r} asks for {argument!r}; it can have {', '.join(known)}")

    @cached_property
    def fields(self) -> dict[str, Unknown]:
        """The unknowns by name."""
        names = (self.unknowns,) if isinstance(self.unknowns, str) else self.unknowns
        kinds = names if isinstance(names, Mapping) else dict.fromkeys(names, 1)
        return {name: Unknown.of(name, kind) for name, kind in kinds.items()}

    @cached_property
    def spans(self) -> dict[str, slice]:
        """Where each unknown stands among the real outputs of all unknowns in a row."""
        ends = np.cumsum([unknown.size for unknown in self.fields.values()]).tolist()
        return {name: slice(end - u.size, end) for (name, u), end in zip(self.fields.items(), ends, strict=True)}

    @cached_property
    def frame(self) -> Frame:
        """The names of the coordinates and which are space."""
        return Frame(self.domain.coordinates, self.domain.space)

    @cached_property
    def residuals_by_name(self) -> dict[str, Residual]:
        """Every equation and condition as a traced residual, by name."""
        functions = {name: (function, f"equation {name!r}", False) for name, function in self.equations.items()}
        for name, condition in self.conditions.items():
            function = condition.residual if isinstance(condition, On) else condition.integrand
            functions[name] = (function, f"condition {name!r}", condition.region.kind == "boundary")
        with precision("float64"):
            dummies = {name: _dummy(unknown) for name, unknown in self.fields.items()}
            dummies |= self.coefficient_functions()
            return {name: self._residual(name, *parts, dummies) for name, parts in functions.items()}

    def _residual(
        self, name: str, function: Callable[..., Any], what: str, has_normal: bool, dummies: Mapping[str, PointFunction]
    ) -> Residual:
        if not callable(function):
            raise ValueError(f"{what} is {function!r}; give a function of the unknowns and coordinates")
        arguments = argument_names(function, what)
        known = (
            *self.fields,
            *self.domain.coordinates,
            POINT,
            *self.coefficients,
            *(("normal",) if has_normal else ()),
        )
        for argument in arguments:
            if argument not in known:
                raise ValueError(f"{what} asks for {argument!r}; it can have {', '.join(known)}")
        return trace(Residual(name, function, arguments, self.frame), dummies, len(self.domain.space))

    def coefficient_functions(self) -> dict[str, PointFunction]:
        """The declared coefficients as functions of a point (constants included)."""
        functions: dict[str, PointFunction] = {}
        for name, value in self.coefficients.items():
            if callable(value):
                functions[name] = by_name(value, self.domain.coordinates, f"coefficient {name!r}")
            elif np.issubdtype(np.asarray(value).dtype, np.number):
                if not np.all(np.isfinite(value)):
                    raise ValueError(f"coefficient {name!r} is {value!r}; give a finite number")
                least = jnp.complex64 if np.iscomplexobj(value) else jnp.float32
                functions[name] = lambda p, value=value, least=least: jnp.asarray(
                    value, jnp.promote_types(p.dtype, least)
                )
            else:
                raise ValueError(f"coefficient {name!r} is {value!r}; give a number or a function of the coordinates")
        return functions

    def order(self, unknown: str) -> int:
        """The highest order of derivative that any equation or condition takes of `unknown`."""
        return max((r.record.order(unknown) for r in self.residuals_by_name.values()), default=0)

    def region(self, name: str) -> Region:
        """The region on which the equation or condition `name` holds."""
        return self.conditions[name].region if name in self.conditions else self.domain.interior

    def infer(self, **guesses: Guess) -> "Problem":
        """The same problem with these coefficients unknown, from a guess (number, Positive, Bounded, network)."""
        for name, guess in guesses.items():
            if name not in self.coefficients:
                declared = ", ".join(self.coefficients) or "none"
                raise ValueError(f"infer({name}=...): no such coefficient; declared are: {declared}")
            if name in self.residuals_by_name:
                raise ValueError(f"infer({name}=...): a residual has this name, and the history names both; rename one")
            check_guess(name, guess)
        return replace(self, inferred={**self.inferred, **guesses})

    def observe(self, points: Float[np.ndarray, "n d"], **values: Float[np.ndarray, "n *m"]) -> "Problem":
        """The same problem with data: `values` of unknowns at `points`, matched in the least-squares sense."""
        data = Observation.of(self.domain, self.fields, points, values)
        return replace(self, observations=(*self.observations, data))

    def residuals(
        self, exact: Mapping[str, Callable[..., Any]] | Callable[..., Any], n: int = 256, seed: int = 0
    ) -> dict[str, np.ndarray]:
        """The residuals `(n, rows)` of a known field, e.g. an exact solution written with `jax.numpy`, by name."""
        given = exact if isinstance(exact, Mapping) else {next(iter(self.fields)): exact}
        if missing := [name for name in self.fields if name not in given]:
            raise ValueError(f"residuals: no field for {missing[0]!r}; give one for each of {', '.join(self.fields)}")
        with precision("float64"):
            functions = {k: by_name(f, self.domain.coordinates, f"field {k!r}") for k, f in given.items()}
            functions |= self.coefficient_functions()
            result = {}
            for name, residual in self.residuals_by_name.items():
                points, normals = self.region(name).sample(n, "sobol", seed)

                def rows(point: Array, normal: Array | None, residual: Residual = residual) -> Array:
                    fields = fields_at(functions, point, self.frame, residual.record.plan)
                    return residual(fields, point, normal)

                axes = (0, None if normals is None else 0)
                result[name] = np.asarray(jax.jit(jax.vmap(rows, in_axes=axes))(jnp.asarray(points), normals))
        return result

    def describe(self) -> str:
        """The make-up of the problem: each residual with its region and the derivatives that it takes."""
        lines = [f"{self.name} on {self.domain!r}"]
        for name, residual in self.residuals_by_name.items():
            taken = [
                unknown + ("." + "".join(self.domain.coordinates[a] for a in index) if index else "")
                for unknown in self.fields
                for index in sorted(residual.record.indices.get(unknown, ()), key=lambda i: (len(i), i))
            ]
            taken += [f"{u}(q), order {o}" for u, o in residual.record.probed.items() if u in self.fields]
            lines.append(f"  {name} on {self.region(name).name}: {', '.join(taken) or 'no unknown'}")
        return "\n".join(lines)


def _dummy(unknown: Unknown) -> PointFunction:
    """A smooth field of the right shape, to trace residuals with."""
    return lambda q: unknown.assemble(jnp.sin(jnp.sum(q)) * jnp.ones(unknown.size, q.dtype))
