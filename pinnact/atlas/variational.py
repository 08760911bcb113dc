"""The variational principle for one electron and up to two nuclei: integrals, Rayleigh quotient, Rayleigh-Ritz energy.

Atomic units: lengths in bohr, energies in hartree. The nuclei are at (0, 0, -1) and (0, 0, 1).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

NUCLEI = ((0.0, 0.0, -1.0), (0.0, 0.0, 1.0))


class Integral(NamedTuple):
    """A quadrature `int f = sum_i weight_i f(point_i)`, and the potential energy at its points."""

    points: Float[Array, "n 3"]
    weight: Float[Array, " n"]
    potential: Float[Array, " n"]


def prolate(charges: tuple[float, float], reach: float, counts: tuple[int, int, int]) -> Integral:
    """Points in prolate spheroidal coordinates about both nuclei, up to the spheroid of semi-axis `reach`.

    `r_1 = xi + eta` and `r_2 = xi - eta` are the distances to the nuclei, and the volume `(xi^2 - eta^2) dxi deta dphi`
    cancels the poles of `V = -Z_1 / r_1 - Z_2 / r_2 + Z_1 Z_2 / 2`. Gauss-Legendre in eta and in s, `xi = 1 +
    (reach - 1) s^3`, dense at the nuclei; equidistant in phi. `counts` are those of xi, eta and phi.
    """
    s, w_s = np.polynomial.legendre.leggauss(counts[0])
    s, w_s = (s + 1) / 2, w_s / 2
    eta, w_eta = np.polynomial.legendre.leggauss(counts[1])
    phi = 2 * np.pi * (np.arange(counts[2]) + 0.5) / counts[2]
    w_xi = 3 * (reach - 1) * s**2 * w_s
    xi, eta, phi = np.meshgrid(1 + (reach - 1) * s**3, eta, phi, indexing="ij")
    weight = w_xi[:, None, None] * w_eta[:, None] * 2 * np.pi / counts[2] * (xi**2 - eta**2)
    radius = np.sqrt((xi**2 - 1) * (1 - eta**2))
    points = np.stack([radius * np.cos(phi), radius * np.sin(phi), xi * eta], axis=-1).reshape(-1, 3)
    potential = -(charges[0] / (xi + eta) + charges[1] / (xi - eta)) + charges[0] * charges[1] / 2
    return Integral(jnp.asarray(points), jnp.asarray(weight.ravel()), jnp.asarray(potential.ravel()))


def rayleigh(wave: Callable[[Array], Array], integral: Integral) -> Float[Array, ""]:
    """`E[u] = (int |grad u|^2 / 2 + V u^2) / int u^2` of a wave function `u(x)` of one point."""
    u, slope = jax.vmap(jax.value_and_grad(wave))(integral.points)
    density = u**2
    kinetic = jnp.sum(slope**2, axis=1) / 2
    return integral.weight @ (kinetic + integral.potential * density) / (integral.weight @ density)


def ritz(units: Callable[[Array], Array], integral: Integral, dependent: float = 1e-9) -> float:
    """The least energy of any linear combination of `units(x)`, an array of functions of one point.

    The overlap matrix is scaled to a diagonal of 1; directions in which it is below `dependent` are left out, since
    round-off would be divided by them.
    """
    values = np.asarray(jax.vmap(units)(integral.points))
    slopes = np.asarray(jax.vmap(jax.jacfwd(units))(integral.points))
    weight, potential = np.asarray(integral.weight), np.asarray(integral.potential)
    overlap = values.T @ (weight[:, None] * values)
    energy = values.T @ ((weight * potential)[:, None] * values)
    energy += sum(slopes[:, :, k].T @ (weight[:, None] / 2 * slopes[:, :, k]) for k in range(3))
    scale = np.sqrt(np.diag(overlap))
    sizes, axes = np.linalg.eigh(overlap / np.outer(scale, scale))
    kept = axes[:, sizes > dependent] / np.sqrt(sizes[sizes > dependent]) / scale[:, None]
    return float(np.linalg.eigvalsh(kept.T @ energy @ kept)[0])
