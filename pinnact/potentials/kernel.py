"""Kernel potentials: force matching as one linear solve, the right choice for few frames of one molecule.

The energy is E(x) = c + sum_j v_j . d/dx_j k(x, x_j), a Gaussian process's mean under the observed forces, in
coordinates x of the interatomic distances and with a kernel k summed over the molecule's permutations. With a single
length, inverse distances and the Matern kernel, `KernelPotential(matern52, power=1, length=8)`, it is sGDML (Chmiela et
al. 2018, doi:10.1038/s41467-018-06169-2). The default learns how much each distance matters and adds local parts
(`relevance.py`): half the error at equal frames. Units: eV, angstrom.
"""

import logging
import os
import time
from dataclasses import dataclass, field
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from pinnact.potentials import relevance
from pinnact.potentials.cholesky import factorise
from pinnact.potentials.configurations import Configurations
from pinnact.potentials.kernels import Parts, Radial, rational_quadratic, second_derivatives, solve
from pinnact.potentials.pairs import Pairs
from pinnact.potentials.potential import AbstractPotential
from pinnact.potentials.symmetries import describe
from pinnact.precision import precision

_LOG = logging.getLogger("pinnact")


@final
class Kernel(AbstractPotential):
    """E = c + sum_gqj a_g slope(s) z . v_j with z = w_g^2 (P_q x - x_j) and s = z . (P_q x - x_j), of one molecule.

    `anchors` are the x_j of the training frames and `pulls` the v_j, `(n, P)` both; all x are taken from `centre`.
    """

    first: Int[np.ndarray, " P"]
    second: Int[np.ndarray, " P"]
    permuted: Int[np.ndarray, "p P"]
    centre: Float[Array | np.ndarray, " P"]
    anchors: Float[Array | np.ndarray, "n P"]
    pulls: Float[Array | np.ndarray, "n P"]
    parts: Parts
    shift: Float[Array | np.ndarray, ""]
    radial: Radial = eqx.field(static=True)
    power: float = eqx.field(static=True)

    def __call__(
        self, positions: Float[Array, "a 3"], numbers: Int[Array, " a"], cell: Float[Array, "3 3"] | None = None
    ) -> Float[Array, ""]:
        """The energy in eV; the atoms must come in the order of the training frames."""
        apart = positions[self.first] - positions[self.second]
        squared = jnp.sum(apart**2, 1)
        x = jnp.log(squared) / 2 if self.power == 0 else (1 - squared ** (-self.power / 2)) / self.power
        images = (x - self.centre)[self.permuted]
        # Products of matrices instead of all differences: |w (x - y)|^2 = |w x|^2 - 2 w^2 x . y + |w y|^2. What this
        # loses to round-off is small beside the 1 in 1 + s / 2, and small at all because x is taken from the centre.
        squares, anchors, pulls = self.parts.squares, jnp.asarray(self.anchors), jnp.asarray(self.pulls)
        weighted = jnp.einsum("gk,qk->gqk", squares, images)
        here = jnp.einsum("gqk,qk->gq", weighted, images)[..., None]
        there = jnp.einsum("gk,jk,jk->gj", squares, anchors, anchors)[:, None]
        s = here + there - 2 * jnp.einsum("gqk,jk->gqj", weighted, anchors)
        along = (
            jnp.einsum("gqk,jk->gqj", weighted, pulls) - jnp.einsum("gk,jk,jk->gj", squares, anchors, pulls)[:, None]
        )
        return jnp.asarray(self.shift) + jnp.einsum("g,gqj,gqj->", self.parts.scales, self.radial.slope(s), along)


@dataclass(frozen=True)
class KernelPotential:
    """The recipe of a `Kernel`.

    Args:
        kernel: phi of the squared distance; `rational_quadratic`, `gaussian` or `matern52`.
        power: the coordinates are log r (0), inverse distances (1), or r^-power.
        length: one length for all coordinates; None learns a weight for each kind of pair by marginal likelihood.
        local: with learnt weights, whether a part for each heavy atom stands beside the global one: far fewer errors
            for as many times the cost of a prediction.
        learning_frames: how many frames the weights are learnt from; None takes what a third of the budget allows.
        regularisation: what is added to the diagonal of the kernel matrix, relative to its mean.
        most_frames: at most so many of the training frames are used; None asks only memory and budget.
        most_memory: of the kernel matrix, in bytes; None takes half of the machine's memory.
        most_permutations: a molecule of more symmetries is made invariant under a subgroup of at most so many.
    """

    kernel: Radial = field(default=rational_quadratic)
    power: float = 0.0
    length: float | None = None
    local: bool = True
    learning_frames: int | None = None
    regularisation: float = 1e-9
    most_frames: int | None = None
    most_memory: float | None = None
    most_permutations: int = 200

    def __post_init__(self) -> None:
        if self.length is not None and not self.length > 0:
            raise ValueError(f"length={self.length} is no length; give a positive one, or None to learn it")
        if not self.regularisation > 0:
            raise ValueError(f"regularisation={self.regularisation} leaves the matrix singular; give 1e-9 or so")

    @property
    def smoothness(self) -> float:
        """That of the kernel: the coordinates are smooth where no two atoms meet."""
        return self.kernel.smoothness

    fitted = True
    one_molecule = True
    periodic = False

    def begin(self, train: Configurations, key: PRNGKeyArray, budget: float) -> Kernel:
        """The fitted potential, from as many of the training frames as memory and `budget` (s) are enough for.

        Raises ValueError for frames of more than one molecule, of a periodic one, or of a single atom.
        """
        if train.cells is not None:
            raise ValueError(
                f"{train.name} is periodic, a kernel on all distances is not; fit an atom-centred potential"
            )
        if train.positions.shape[1] < 2:
            raise ValueError(f"{train.name} holds a single atom, which has no distance to learn from")
        begun = time.monotonic()
        pairs = Pairs.of_frames(train, self.most_permutations)
        _LOG.info("kernel: %s", describe(pairs.numbers, pairs.permutations))
        with precision("float64"):
            train = train[np.asarray(jax.random.permutation(key, len(train)))]
            parts = self._parts(pairs, train, budget)
            left = max(0.85 * budget - (time.monotonic() - begun), 0.2 * budget)  # compiling may have taken it all
            count = self._affordable(pairs, train, parts, left)
            return self._fit(pairs, train[np.arange(count)], parts)

    def _parts(self, pairs: Pairs, train: Configurations, budget: float) -> Parts:
        if self.length is not None:
            return Parts(np.ones(1), np.full((1, len(pairs.first)), self.length**-2.0))
        m = 3 * train.positions.shape[1]
        rows = min(1200.0, 70 * budget**0.5)  # 300 s: 1,200 forces; the time of a step grows as their square
        wanted = max(5, round(rows / m)) if self.learning_frames is None else self.learning_frames
        few = train[np.arange(min(len(train), wanted))]
        x, derivatives, gradients = self._observed(pairs, few)
        return relevance.learn(self.kernel, pairs, x, derivatives, gradients, local=self.local, seconds=0.35 * budget)

    def _observed(self, pairs: Pairs, frames: Configurations) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        x, derivatives, basis = pairs.coordinates(frames.positions, self.power)
        gradients = np.einsum("ncm,nc->nm", basis, -frames.forces.reshape(len(frames), -1))
        return x, derivatives, gradients

    def _affordable(self, pairs: Pairs, train: Configurations, parts: Parts, seconds: float) -> int:
        """How many frames memory and time allow, from the time of a small assembly (n^2) and factor (n^3)."""
        few = train[np.arange(min(len(train), 20))]
        x, derivatives, _ = self._observed(pairs, few)
        m, rows = derivatives.shape[2], 2000
        begun = time.perf_counter()
        second_derivatives(self.kernel, parts, pairs.permuted, x, derivatives)
        assembly = (time.perf_counter() - begun) / len(few) ** 2
        begun = time.perf_counter()
        factorise(np.eye(rows, order="F"))
        factor = (time.perf_counter() - begun) * (m / rows) ** 3
        memory = _half_of_memory() if self.most_memory is None else self.most_memory
        limits = {
            "all training frames": len(train),
            "most_frames": len(train) if self.most_frames is None else self.most_frames,
            f"memory of {memory / 1e9:.1f} GB": int((memory / 8) ** 0.5 / m),
            "the budget": next((n for n in range(len(train), 5, -1) if assembly * n**2 + factor * n**3 < seconds), 5),
        }
        reason = min(limits, key=lambda name: limits[name])
        count = max(1, limits[reason])
        _LOG.info(
            "kernel: %d of %d frames (%s); a matrix of %d rows, %.2f GB, about %.0f s",
            *(count, len(train), reason, count * m, 8e-9 * (count * m) ** 2, assembly * count**2 + factor * count**3),
        )
        return count

    def _fit(self, pairs: Pairs, frames: Configurations, parts: Parts) -> Kernel:
        x, derivatives, gradients = self._observed(pairs, frames)
        strength = self.regularisation
        while True:
            matrix = second_derivatives(self.kernel, parts, pairs.permuted, x, derivatives)
            try:
                weights = solve(matrix, gradients.ravel(), strength).reshape(gradients.shape)
                break
            except np.linalg.LinAlgError:
                strength *= 10
                _LOG.warning("kernel: the matrix is indefinite by round-off; regularisation raised to %.0e", strength)
                if strength > 1:
                    raise
        pulls = np.einsum("nkm,nm->nk", derivatives, weights)
        centre = x[:, pairs.permuted].mean((0, 1))  # the same for equivalent pairs, so that permuting commutes with it
        raw = Kernel(
            *(pairs.first, pairs.second, pairs.permuted, centre, x - centre, pulls, parts, np.zeros(())),
            radial=self.kernel,
            power=self.power,
        )
        some = frames[np.linspace(0, len(frames) - 1, min(len(frames), 200)).astype(int)]
        energy = eqx.filter_jit(lambda positions: jax.lax.map(lambda p: raw(p, jnp.asarray(pairs.numbers)), positions))
        shift = np.mean(some.energies - np.asarray(energy(jnp.asarray(some.positions))))
        return eqx.tree_at(lambda potential: potential.shift, raw, shift)


def _half_of_memory() -> float:
    try:
        return 0.5 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        return 2e9
