"""Windows of time, each with random waves of its own: the network of a march through time (`pinnact.marching`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from pinnact.features import check_waves, drawn
from pinnact.networks import Embedding, Inputs, Recipe


class Windowed(eqx.Module):
    """`share first(x) + M_k(x) + s^p C_k sin(W e(x) + b)` where the time, the last coordinate, lies in window k.

    s goes from 0 to 1 in the window, and the embedding e sees it stretched over all of time. M_k is what the windows
    before end with: their value, and for outputs of order 2 in time their rate. So the power p is the output's order
    in time; 0 in the first window, where what is built in holds the start. W and b are the same in all windows and stay
    as they were drawn; the coefficients C_k start at zero.
    """

    first: eqx.Module
    share: Float[Array, ""]
    embedding: Embedding
    coefficients: Float[Array, "k m f"]
    edges: tuple[float, ...] = eqx.field(static=True)
    orders: tuple[int, ...] = eqx.field(static=True)
    lowest: float = eqx.field(static=True)
    highest: float = eqx.field(static=True)
    seed: int = eqx.field(static=True)

    def __call__(self, x: Float[Array, " d"]) -> Float[Array, " m"]:
        edges, count = jnp.asarray(self.edges, x.dtype), self.coefficients.shape[-1]
        k = jnp.sum(x[-1] >= edges[1:-1])
        drawn_ = drawn(count, self.embedding.size, self.lowest, self.highest, self.seed)
        waves = Waves(self.embedding, *(jnp.asarray(a, x.dtype) for a in drawn_))
        before = handed_over(self.coefficients, edges, self.orders)[k]
        start, end = edges[k], edges[k + 1]
        powers = jnp.where(k > 0, jnp.asarray(self.orders), 0)
        own = progress(x, start, end, powers) * (self.coefficients[k] @ waves(x, start, end))
        held = jnp.einsum("hmf,hf->m", before, waves.held(x, start, max(self.orders)))
        return self.share * jnp.atleast_1d(self.first(x)) + held + own  # type: ignore[operator]


class Waves(NamedTuple):
    """`sin(W e(x) + b)`, with a window of time stretched over all of it."""

    embedding: Embedding
    numbers: Float[Array, "f e"]
    phases: Float[Array, " f"]

    def __call__(self, x: Float[Array, " d"], start: Any, end: Any) -> Float[Array, " f"]:
        middle, half = self.embedding.centre[-1], self.embedding.half_width[-1]
        stretched = x.at[-1].set(middle + half * (2 * x[-1] - start - end) / (end - start))
        return jnp.sin(self.numbers @ self.embedding(stretched) + self.phases)

    def held(self, x: Float[Array, " d"], start: Any, order: int) -> Float[Array, "h f"]:
        """What a window that begins at `start` goes on from, to be multiplied by the parts of `handed_over`: the waves
        at the end of a window, and for order 2 these times the time since, the same of their rates."""
        at_end = lambda s: self(x.at[-1].set(s), 0.0, 1.0)
        one = jnp.ones((), x.dtype)
        if order < 2:
            return at_end(one)[None]
        waves, rates = jax.jvp(at_end, (one,), (one,))
        later = x[-1] - start
        return jnp.stack([waves, later * waves, rates, later * rates])


def progress(x: Float[Array, " d"], start: Any, end: Any, powers: Array) -> Float[Array, " m"]:
    """`s^p` of each output for powers 0, 1 and 2."""
    s = (x[-1] - start) / (end - start)
    return jnp.where(powers == 0, 1.0, jnp.where(powers == 1, s, s * s))


def handed_over(coefficients: Any, edges: Any, orders: Sequence[int]) -> Float[Array, "k h m f"]:
    """What each window has from those before it: the coefficients of `Waves.held`, one part or, for order 2, four."""
    lengths = jnp.diff(edges)[:, None, None]
    order = jnp.asarray(orders)[:, None]
    before = lambda gains: jnp.cumsum(gains, axis=0) - gains
    kept = jnp.where(order > 0, coefficients, 0.0)
    if max(orders) < 2:
        return before(kept)[:, None]
    turning = jnp.where(order > 1, coefficients, 0.0) / lengths
    later = (jnp.arange(len(lengths)) > 0)[:, None, None]
    slope, slope_rate = before(jnp.where(later, 2.0, 0.0) * turning), before(turning)
    return jnp.stack([before(kept + lengths * slope), slope, before(lengths * slope_rate), slope_rate], axis=1)


@dataclass(frozen=True)
class Windows:
    """Recipe of `features` random waves in each of the windows between `edges`, the first and last of which are those
    of time (`Windowed`).

    Wave numbers are drawn as those of a second stage are (`Enriched`). `first`, a recipe or module, counts only in
    fields along which a lift was carried before the march.
    Sources: random features in windows, Chen, Chi, E and Yang 2022, doi:10.4208/jml.220726; marching,
    Wight and Zhao 2020, arXiv 2007.04542.
    """

    first: Recipe | eqx.Module
    edges: tuple[float, ...]
    orders: tuple[int, ...] = (1,)
    features: int = 600
    lowest: float = 2.7
    highest: float = 8.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_waves(self.features, self.lowest, self.highest)
        edges = np.array(self.edges, float)
        if edges.ndim != 1 or len(edges) < 2 or not np.all(np.diff(edges) > 0):
            raise ValueError(f"edges={self.edges!r}: give two or more times that grow")
        if not self.orders or not set(self.orders) <= {0, 1, 2}:
            raise ValueError(f"orders={self.orders!r}: give the order in time of each output, 0, 1 or 2")

    @property
    def smoothness(self) -> float:
        """k of C^k within a window; from one to the next, what the equation needs is continuous."""
        return getattr(self.first, "smoothness", np.inf)

    def build(self, inputs: Inputs, outputs: int, key: PRNGKeyArray) -> Windowed:
        """The module for these `inputs` and this many `outputs`."""
        if len(self.orders) != outputs:
            raise ValueError(f"orders={self.orders!r}: give one for each of {outputs} outputs")
        first: Any = self.first
        first = first.build(inputs, outputs, key) if hasattr(first, "build") else first
        still = jnp.zeros((len(self.edges) - 1, outputs, self.features))
        embedding = plain_embedding(inputs, key)
        numbers = (self.lowest, self.highest, self.seed)
        return Windowed(first, jnp.zeros(()), embedding, still, self.edges, self.orders, *numbers)


def plain_embedding(inputs: Inputs, key: PRNGKeyArray | None = None) -> Embedding:
    """What the waves are waves of: the scaled coordinates, of periodic ones two harmonics.

    Waves of one harmonic are all harmonics, too, but so nearly dependent that their coefficients grow to 1e6.
    """
    return Embedding(inputs, harmonics=2, waves=False, fourier=None, key=jax.random.key(0) if key is None else key)
