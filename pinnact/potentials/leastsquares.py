"""Atom-centred potentials that are linear in their parameters: energies and forces fitted by one regularised solve."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float, PRNGKeyArray

from pinnact.activations import identity
from pinnact.potentials.atomic import Atomic, Surroundings, repelled, shifts
from pinnact.potentials.bodyorder import BodyOrder
from pinnact.potentials.configurations import Configurations
from pinnact.potentials.cutoffs import Radial
from pinnact.potentials.potential import energy_and_forces
from pinnact.potentials.repulsion import ZBL
from pinnact.precision import precision

_LOG = logging.getLogger("pinnact")
_CHUNK = 16  # frames whose rows are held at once


class Normal(NamedTuple):
    """Normal equations `A c = b` of some rows, their |y|^2, and how many of them are forces."""

    matrix: Float[np.ndarray, "p p"]
    right: Float[np.ndarray, " p"]
    square: float
    rows: int

    def plus(self, other: "Normal") -> "Normal":
        """Of both sets of rows."""
        return Normal(
            self.matrix + other.matrix, self.right + other.right, self.square + other.square, self.rows + other.rows
        )

    def error(self, c: Float[np.ndarray, " p"]) -> float:
        """The root mean square of `A c - y` over the rows."""
        return float(np.sqrt(max(c @ self.matrix @ c - 2 * c @ self.right + self.square, 0.0) / self.rows))


@dataclass(frozen=True)
class AtomicLinear:
    """A potential linear in the invariants of `spec`, fitted by least squares: the atomic cluster expansion.

    Rows are forces, and energies over the root of the number of atoms times `energy_weight` (1/angstrom). The penalty
    on scaled parameters is the one of `penalties` that errs least on a share `validation` of the frames; the solution
    is then taken from all of them. `repulsion` is subtracted first. Isolated-atom energies are kept where given.
    """

    spec: BodyOrder = field(default_factory=lambda: BodyOrder(Radial(count=11), degrees=(10, 8, 6, 4), angular=4))
    energy_weight: float = 3.0
    penalties: tuple[float, ...] = (1e-7, 1e-8, 1e-9, 1e-10, 1e-11)
    validation: float = 0.1
    repulsion: ZBL | None = None

    fitted = True
    one_molecule = False
    periodic = True

    def __post_init__(self) -> None:
        if not 0 < self.validation < 1 or not self.penalties or min(self.penalties) <= 0:
            raise ValueError(
                f"validation={self.validation}, penalties={self.penalties}: "
                "give a share between 0 and 1, and penalties above 0"
            )

    @property
    def smoothness(self) -> float:
        """All is C-infinity."""
        return float("inf")

    def begin(self, train: Configurations, key: PRNGKeyArray, budget: float) -> Atomic:
        """The fitted potential; how long it takes is the basis's matter, not the budget's.

        Raises ValueError for fewer than two frames.
        """
        if len(train) < 2:
            raise ValueError(f"{len(train)} frame can't be split for validation; give two or more")
        with precision("float64"):
            surroundings = Surroundings.of(self.spec, train)
            fixed = train.isolated is not None and set(surroundings.elements) <= set(train.isolated)
            constants = shifts(train, surroundings.elements, train.isolated)
            elements = len(surroundings.elements)
            linear = jnp.zeros((elements, surroundings.count))
            empty = Atomic(surroundings, constants, linear, (), identity, self.repulsion)
            order = np.asarray(jax.random.permutation(key, len(train)))
            held = max(1, round(self.validation * len(train)))
            used, parts = normal_equations(
                surroundings, residual(empty, train), (order[held:], order[:held]), self.energy_weight, not fixed
            )
            c = np.zeros(elements * (surroundings.count + 1))
            c[used] = regularised(*parts, self.penalties)
            c = c.reshape(elements, -1)
            return replace(empty, shifts=constants + c[:, -1], linear=jnp.asarray(c[:, :-1]))


def residual(potential: Atomic, frames: Configurations) -> Configurations:
    """The frames with what a potential says of them already subtracted from their energies and forces."""

    @jax.jit
    def known(frame: tuple[Array, ...]) -> tuple[Array, Array]:
        fixed = lambda p, numbers, cell: (
            jnp.sum(potential.surroundings.kinds(numbers, p.dtype) @ jnp.asarray(potential.shifts))
            + repelled(potential.repulsion, potential.surroundings, p, numbers, cell)
        )
        return energy_and_forces(fixed, frame[0], frame[1], frame[2] if len(frame) > 2 else None)  # type: ignore[arg-type]

    energies, forces = jax.lax.map(known, _inputs(frames, np.arange(len(frames))))
    return replace(frames, energies=frames.energies - np.asarray(energies), forces=frames.forces - np.asarray(forces))


def _inputs(frames: Configurations, rows: np.ndarray) -> tuple[Array, ...]:
    arrays = (frames.positions, frames.numbers, frames.cells)
    return tuple(jnp.asarray(array[rows]) for array in arrays if array is not None)


def design(
    surroundings: Surroundings, frames: Configurations, rows: np.ndarray
) -> Iterator[tuple[np.ndarray, Float[np.ndarray, "f p"], Float[np.ndarray, "f n p"]]]:
    """Rows of the design matrix, chunk by chunk: which frames, their energies' rows and their forces' rows.

    For each element there is a column an invariant, summed over its atoms, and at last one that counts them.
    """

    def one(inputs: tuple[Array, ...]) -> tuple[Array, Array]:
        positions, numbers, cell = inputs if len(inputs) == 3 else (*inputs, None)
        b, derivatives = surroundings.with_derivatives(positions, numbers, cell)
        kinds = surroundings.kinds(numbers, b.dtype)
        values = jnp.concatenate([jnp.einsum("ab,ae->eb", b, kinds), jnp.sum(kinds, 0)[:, None]], axis=1)
        slopes = jnp.einsum("ban,ae->neb", -derivatives, kinds)
        slopes = jnp.concatenate([slopes, jnp.zeros((*slopes.shape[:2], 1))], axis=2)
        return values.reshape(-1), slopes.reshape(len(slopes), -1)

    compiled = jax.jit(lambda inputs: jax.lax.map(one, inputs))
    for start in range(0, len(rows), _CHUNK):
        some = np.resize(rows[start : start + _CHUNK], _CHUNK)  # repeats fill the last chunk: one compiled shape
        count = min(_CHUNK, len(rows) - start)
        values, slopes = compiled(_inputs(frames, some))
        yield some[:count], np.asarray(values)[:count], np.asarray(slopes)[:count]


def normal_equations(
    surroundings: Surroundings,
    frames: Configurations,
    parts: tuple[np.ndarray, ...],
    energy_weight: float,
    constants: bool,
) -> tuple[np.ndarray, list[Normal]]:
    """The columns that aren't zero, and normal equations in them for each part of the frames.

    `constants` says whether the counts of elements are among the columns.
    """
    _, values, slopes = next(design(surroundings, frames, np.concatenate(parts)))
    size = np.sqrt(np.mean(slopes**2, axis=(0, 1)))
    last = np.arange(len(size)) % (surroundings.count + 1) == surroundings.count
    used = np.flatnonzero(np.where(last, constants & np.any(values != 0, axis=0), size > 1e-9 * size.max()))
    _LOG.info("%d functions of %d frames", len(used), len(frames))
    result = []
    for part in parts:
        matrix, right, square, count = np.zeros((len(used), len(used))), np.zeros(len(used)), 0.0, 0
        for some, values, slopes in design(surroundings, frames, part):
            atoms = np.sum(frames.numbers[some] > 0, axis=1)
            weight = energy_weight / np.sqrt(atoms)
            x = np.concatenate([weight[:, None] * values[:, used], slopes[:, :, used].reshape(-1, len(used))])
            y = np.concatenate([weight * frames.energies[some], frames.forces[some].reshape(-1)])
            matrix += x.T @ x
            right += x.T @ y
            square, count = square + float(y @ y), count + 3 * int(atoms.sum())
        result.append(Normal(matrix, right, square, count))
    return used, result


def regularised(train: Normal, validation: Normal, penalties: tuple[float, ...]) -> Float[np.ndarray, " p"]:
    """The parameters by the penalty that errs least on `validation`, solved again for both sets of rows.

    Columns are scaled to norm 1, and the penalty is added to the diagonal. Penalties too small for round-off are left.
    """

    def solved(normal: Normal, penalty: float) -> Float[np.ndarray, " p"]:
        scale = 1 / np.sqrt(np.maximum(np.diag(normal.matrix), np.finfo(float).tiny))
        matrix = normal.matrix * scale[:, None] * scale
        matrix[np.diag_indices_from(matrix)] += penalty
        factor = scipy.linalg.cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
        return scale * scipy.linalg.cho_solve(factor, scale * normal.right, check_finite=False)

    best = (np.inf, penalties[0])
    for penalty in sorted(penalties, reverse=True):
        try:
            error = validation.error(solved(train, penalty))
        except np.linalg.LinAlgError:
            break
        _LOG.info("penalty %.0e: %.2f meV/angstrom (root mean square) on frames held out", penalty, 1e3 * error)
        if error > 1.1 * best[0]:
            break
        best = min(best, (error, penalty))
    return solved(train.plus(validation), best[1])
