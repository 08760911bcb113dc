"""Atom-centred potentials with a network for each element, trained on invariants that are computed only once."""

from dataclasses import dataclass, field
from typing import NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from pinnact.activations import AbstractActivation, silu
from pinnact.potentials.atomic import Atomic, Layer, Surroundings, perceptron, repelled, shifts
from pinnact.potentials.bodyorder import BodyOrder
from pinnact.potentials.configurations import Configurations
from pinnact.potentials.cutoffs import Radial
from pinnact.potentials.potential import AbstractPotential
from pinnact.potentials.repulsion import ZBL
from pinnact.precision import precision

_FRAMES = 200  # enough for the statistics of the invariants
_INPUT = 10.0  # mean square length of a network's input: activations then bend, and do not saturate


class Described(NamedTuple):
    """A frame as training sees it: inputs of the networks, their derivatives, and what is not learnt."""

    inputs: Float[Array, "a d"]
    derivatives: Float[Array, "a n d"]
    kinds: Float[Array, "a e"]
    energy: Float[Array, ""]
    forces: Float[Array, "a 3"]


@final
class ElementNetworks(AbstractPotential):
    """`E = sum_i shift_z + f_z(x_i)` of inputs `x_i = P_z^T (B_i - centre_z)`, the leading combinations of invariants.

    The form in which the networks are trained; `finished` gives the cheaper `Atomic` with P multiplied out. `molecule`
    are the elements' indices of the atoms where all training frames are of one molecule.
    """

    surroundings: Surroundings
    shifts: Float[np.ndarray, " e"]
    centre: Float[np.ndarray, "e b"]
    projection: Float[np.ndarray, "e b d"]
    layers: tuple[Layer, ...]
    activation: AbstractActivation
    repulsion: ZBL | None = eqx.field(static=True)
    molecule: tuple[int, ...] | None = eqx.field(static=True)

    def __call__(
        self, positions: Float[Array, "a 3"], numbers: Int[Array, " a"], cell: Float[Array, "3 3"] | None = None
    ) -> Float[Array, ""]:
        """The energy in eV."""
        return self.finished()(positions, numbers, cell)

    def constant(self, numbers: Int[Array, " a"]) -> Float[Array, ""]:
        """The energies of the elements."""
        shifts = jnp.asarray(self.shifts)
        return jnp.sum(self.surroundings.kinds(numbers, shifts.dtype) @ shifts)

    def bare(self) -> "ElementNetworks":
        """Without the energies of the elements."""
        return eqx.tree_at(lambda potential: potential.shifts, self, np.zeros_like(self.shifts))

    def finished(self) -> Atomic:
        """The same function, with the projection multiplied into the first layer."""
        first, *rest = self.layers
        projection = jnp.asarray(self.projection, first.weight.dtype)
        weight = jnp.einsum("end,ebd->enb", first.weight, projection)
        bias = first.bias - jnp.einsum("enb,eb->en", weight, jnp.asarray(self.centre, weight.dtype))
        linear = jnp.zeros(weight.shape[::2], weight.dtype)
        layers = (Layer(weight, bias), *rest)
        return Atomic(self.surroundings, self.shifts, linear, layers, self.activation, self.repulsion)

    def described(
        self, positions: Float[Array, "a 3"], numbers: Int[Array, " a"], cell: Float[Array, "3 3"] | None
    ) -> Described:
        """What training needs of a frame: it costs far more than a step of training, and never changes."""
        b, derivatives = self.surroundings.with_derivatives(positions, numbers, cell)
        kinds = self.surroundings.kinds(numbers, b.dtype)
        projection, centre = (jnp.asarray(x, b.dtype) for x in (self.projection, self.centre))
        inputs = jnp.einsum("aeb,ebd,ae->ad", b[:, None] - centre[None], projection, kinds)
        slopes = jnp.einsum("ban,ebd,ae->and", derivatives, projection, kinds)
        fixed = lambda p: (
            jnp.sum(kinds @ jnp.asarray(self.shifts, b.dtype))
            + repelled(self.repulsion, self.surroundings, p, numbers, cell)
        )
        energy, gradient = jax.value_and_grad(fixed)(positions)
        return Described(inputs, slopes, kinds, energy, -gradient)

    def matched(self, description: Described, key: PRNGKeyArray | None) -> tuple[Float[Array, ""], Float[Array, "a 3"]]:
        """Energy and forces of a described frame."""
        energy, pull = jax.value_and_grad(self._learnt)(description.inputs, description.kinds)
        forces = -jnp.einsum("ad,and->n", pull, description.derivatives).reshape(description.forces.shape)
        return description.energy + energy, description.forces + forces

    def _learnt(self, inputs: Float[Array, "a d"], kinds: Float[Array, "a e"]) -> Float[Array, ""]:
        if self.molecule is None:
            return jnp.sum(perceptron(self.layers, self.activation, inputs, kinds))
        total = jnp.zeros((), inputs.dtype)
        for element in sorted(set(self.molecule)):  # each network sees its own atoms only: a third of the work
            x = inputs[np.flatnonzero(np.array(self.molecule) == element)]
            for layer in self.layers[:-1]:
                x = self.activation(x @ layer.weight[element].T + layer.bias[element][None])
            total += jnp.sum(x @ self.layers[-1].weight[element].T + self.layers[-1].bias[element][None])
        return total


@dataclass(frozen=True)
class AtomicNetwork:
    """A perceptron for each element (`width`, `depth`, `activation`), of invariants of an atom's surroundings.

    After Behler and Parrinello 2007 (doi:10.1103/PhysRevLett.98.146401), with the power spectrum (products of two
    projections) as the default `spec`. Each element's invariants are standardised and rotated to their principal
    components, of which the `features` leading ones enter, divided by `sqrt(variance + softness * largest variance)`.
    """

    width: int = 64
    depth: int = 2
    activation: AbstractActivation = silu
    spec: BodyOrder = field(default_factory=lambda: BodyOrder(Radial(count=11), degrees=(10, 9), angular=5))
    features: int = 192
    softness: float = 1e-2
    repulsion: ZBL | None = None

    fitted = False
    one_molecule = False
    periodic = True

    def __post_init__(self) -> None:
        for name in ("width", "depth", "features"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: it must be at least 1")
        if not self.softness > 0:
            raise ValueError(f"softness={self.softness} blows noise up; give a positive number such as 1e-2")

    @property
    def smoothness(self) -> float:
        """The k of C^k of the energy: that of the activation."""
        return self.activation.smoothness

    def begin(self, train: Configurations, key: PRNGKeyArray, budget: float) -> ElementNetworks:
        """The networks at their start, for the elements and cells of `train`."""
        with precision("float64"):
            surroundings = Surroundings.of(self.spec, train)
            k_rows, *keys = jax.random.split(key, self.depth + 2)
            some = train[np.asarray(jax.random.permutation(k_rows, len(train)))[:_FRAMES]]
            centre, projection = self._leading(surroundings, some)
            elements, _, features = projection.shape
            sizes = [features, *[self.width] * self.depth, 1]
            layers = tuple(
                Layer(jax.random.normal(k, (elements, n, m)) / np.sqrt(m), jnp.zeros((elements, n)))
                for m, n, k in zip(sizes[:-1], sizes[1:], keys, strict=True)
            )
            molecule = train.molecule
            return ElementNetworks(
                surroundings,
                shifts(train, surroundings.elements, train.isolated),
                centre,
                projection,
                layers,
                self.activation,
                self.repulsion,
                None if molecule is None else tuple(surroundings.elements.index(z) for z in molecule.tolist()),
            )

    def _leading(self, surroundings: Surroundings, frames: Configurations) -> tuple[np.ndarray, np.ndarray]:
        inputs = [jnp.asarray(x) for x in (frames.positions, frames.numbers, frames.cells) if x is not None]
        values = np.asarray(
            jax.lax.map(lambda f: surroundings(f[0], f[1], f[2] if len(f) > 2 else None), tuple(inputs))
        )
        features = min(self.features, surroundings.count)
        centres, projections = [], []
        for z in surroundings.elements:
            b = values[frames.numbers == z]
            centre, deviation = b.mean(axis=0), b.std(axis=0)
            scale = np.where(deviation > 1e-6 * deviation.max(), 1 / np.maximum(deviation, 1e-300), 0.0)
            standard = (b - centre) * scale
            variances, axes = np.linalg.eigh(standard.T @ standard / len(standard))
            variances, axes = np.maximum(variances[::-1], 0)[:features], axes[:, ::-1][:, :features]
            soft = 1 / np.sqrt(variances + self.softness * max(variances[0], np.finfo(float).tiny))
            size = np.sqrt(_INPUT / max(np.sum(variances * soft**2), np.finfo(float).tiny))
            centres.append(centre)
            projections.append(scale[:, None] * axes * soft * size)
        return np.stack(centres), np.stack(projections)
