"""Relaxation: from a geometry to the minimum of its energy near by."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy import optimize
from scipy.sparse.linalg import LinearOperator, minres

from pinnact.potentials import evaluation
from pinnact.potentials.configurations import Geometry
from pinnact.potentials.potential import AbstractPotential
from pinnact.precision import precision

_LONGEST = 0.3  # angstrom, of all coordinates together: a step stays where the quadratic model, and the data, reach


def relax(
    potential: AbstractPotential, geometry: Geometry, force_tolerance: float = 1e-4, steps: int = 500
) -> Geometry:
    """The geometry at a minimum of the energy: no component of a force above `force_tolerance` (eV/angstrom).

    A trust-region Newton method with products of the exact Hessian (SciPy's `trust-ncg`), then Newton steps on the
    forces alone, since near a minimum the energy is flat to round-off. Translations and rotations are never excited:
    forces have no part in them. A start of higher symmetry than the minimum keeps it and may end in a saddle point,
    which shows as a negative wave number. The cell of a periodic geometry stays as it is.

    Raises ValueError when the forces don't fall so far: the potential isn't smooth, or has no minimum near by.
    """
    shape = geometry.positions.shape
    with precision("float64"):
        arguments = evaluation.prepared(potential, geometry)

        def energy(x: Float[np.ndarray, " n"]) -> tuple[float, Float[np.ndarray, " n"]]:
            value, forces = evaluation.at(jnp.asarray(x.reshape(shape)), *arguments)
            return float(value), -np.asarray(forces).ravel()

        def product(x: Float[np.ndarray, " n"], v: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
            return np.asarray(
                _product(jnp.asarray(x.reshape(shape)), jnp.asarray(v.reshape(shape)), *arguments)
            ).ravel()

        found = optimize.minimize(
            energy,
            geometry.positions.ravel(),
            jac=True,
            hessp=product,
            method="trust-ncg",
            options={
                "gtol": force_tolerance,
                "maxiter": steps,
                "initial_trust_radius": _LONGEST / 3,
                "max_trust_radius": _LONGEST,
            },
        )
        x, gradient = found.x, energy(found.x)[1]
        for _ in range(5):
            if np.abs(gradient).max() <= force_tolerance:
                break
            second = LinearOperator((x.size, x.size), lambda v, x=x: product(x, v), dtype=float)
            nearer = x + minres(second, -gradient, rtol=1e-10)[0]
            next_gradient = energy(nearer)[1]
            is_better = np.abs(next_gradient).max() < np.abs(gradient).max()
            if not is_better or np.linalg.norm(nearer - x) > _LONGEST:
                break
            x, gradient = nearer, next_gradient
    largest = np.abs(gradient).max()
    if not largest <= force_tolerance:
        raise ValueError(
            f"relaxation of {geometry.formula()} stopped with a largest force of {largest:.3g} eV/angstrom after "
            f"{found.nit} steps, above force_tolerance={force_tolerance:.3g}; start nearer a minimum, allow more "
            "steps, or use a potential with a smooth activation"
        )
    return Geometry(geometry.numbers, x.reshape(shape), geometry.cell)


@eqx.filter_jit
def _product(
    positions: Float[Array, "a 3"],
    direction: Float[Array, "a 3"],
    potential: AbstractPotential,
    numbers: Int[Array, " a"],
    cell: Float[Array, "3 3"] | None,
) -> Float[Array, "a 3"]:
    gradient = jax.grad(lambda p: potential(p, numbers, cell))
    return jax.jvp(gradient, (positions,), (direction,))[1]
