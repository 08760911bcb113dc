"""Gaussian-type orbitals: units that are radial Gaussians times real spherical harmonics, as in quantum chemistry.

`Orbitals` is a recipe like `pinnact.MLP`, for three coordinates: its module is a sum of orbitals around given centres,
whose exponents and coefficients are trained together. Source: Boys 1950, doi:10.1098/rspa.1950.0036.
"""

# ruff: noqa: E741 (l is the degree of a harmonic, as in every book)

import math
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pinnact.networks import Inputs
from pinnact.potentials.harmonics import solid_harmonics

Centre = tuple[float, float, float]


class GaussianOrbitals(eqx.Module):
    """`u(x) = sum_i c_i chi_i(x)`, `chi = N_l(a) r^l Y_lm exp(-a r^2)` of `x - centre`, each of norm 1 in L2(R^3).

    `N_l(a)^2 = 2 (2 a)^(l + 3/2) / Gamma(l + 3/2)`. A shell is the 2 l + 1 orbitals of one centre, degree and exponent;
    the l-th entry of `log_exponents` holds those of degree l, which all centres share. Since shells are whole, their
    span turns with its centres: Rayleigh-Ritz energies do not depend on how a molecule lies in space.
    """

    centres: tuple[Centre, ...] = eqx.field(static=True)
    log_exponents: tuple[Float[Array, " shells"], ...]
    coefficients: Float[Array, "outputs units"]

    def units(self, x: Float[Array, " 3"]) -> Float[Array, " units"]:
        """Every orbital at one point: by degree, then by centre, then by exponent, then m = -l, ..., l."""
        d = x[None, :] - jnp.asarray(self.centres, x.dtype)
        square = jnp.sum(d**2, axis=1)[:, None]
        harmonics = solid_harmonics(d, len(self.log_exponents) - 1)
        found = []
        for l, (log_exponents, harmonic) in enumerate(zip(self.log_exponents, harmonics, strict=True)):
            a = jnp.exp(log_exponents)[None, :]
            norm = jnp.sqrt(2 * (2 * a) ** (l + 1.5) / math.gamma(l + 1.5))
            radial = norm * jnp.exp(-a * square)
            found.append((radial[:, :, None] * harmonic[:, None, :]).ravel())
        return jnp.concatenate(found)

    def __call__(self, x: Float[Array, " 3"]) -> Float[Array, " outputs"]:
        """The sum at one point."""
        return self.coefficients @ self.units(x)


@dataclass(frozen=True)
class Orbitals:
    """Recipe of a sum of Gaussian-type orbitals around `centres`, with `shells[l]` exponents of degree l = 0, 1, ...

    The exponents start even-tempered, `first * ratio^k` (Reeves 1963, doi:10.1063/1.1733982), each times a random
    factor of deviation 10 %, so that seeds differ; all coefficients start as 1 over the number of orbitals.
    """

    centres: tuple[Centre, ...] = ((0.0, 0.0, 0.0),)
    shells: tuple[int, ...] = (8, 2, 1)
    first: float = 0.1
    ratio: float = 3.0

    def __post_init__(self) -> None:
        if not self.centres or not self.shells or min(self.shells) < 0 or sum(self.shells) < 1:
            raise ValueError(f"centres={self.centres}, shells={self.shells} hold no orbital; give at least one of each")
        if not (self.first > 0 and self.ratio > 0):
            raise ValueError(f"first={self.first}, ratio={self.ratio}: exponents must be positive")

    @property
    def smoothness(self) -> float:
        """C^infinity: solid harmonics are polynomials."""
        return math.inf

    def build(self, inputs: Inputs, outputs: int, key: PRNGKeyArray) -> GaussianOrbitals:
        """The module; `inputs` must be three coordinates, in which the centres are given (ValueError otherwise)."""
        if len(inputs.bounds) != 3 or inputs.periodic:
            raise ValueError(f"orbitals live in three coordinates that do not repeat; there are {inputs}")
        spread = 0.1 * jax.random.normal(key, (len(self.shells), max(self.shells)))
        start = math.log(self.first) + math.log(self.ratio) * jnp.arange(max(self.shells))[None, :] + spread
        units = len(self.centres) * sum(count * (2 * l + 1) for l, count in enumerate(self.shells))
        exponents = tuple(start[l, :count] for l, count in enumerate(self.shells))
        return GaussianOrbitals(self.centres, exponents, jnp.full((outputs, units), 1 / units))
