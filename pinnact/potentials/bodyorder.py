"""Invariants of an atom's surroundings of growing body order: the atomic cluster expansion.

Neighbours are projected on radial functions and spherical harmonics, `A_znlm = sum over j of element z of R_n Y_lm`,
and products of one to four A are coupled to scalars. Such scalars span every smooth function of the surroundings
that is invariant to rotation, inversion and exchange of like atoms (Drautz 2019, doi:10.1103/PhysRevB.99.014104;
Dusson et al. 2022, doi:10.1016/j.jcp.2022.110946).
"""

# ruff: noqa: E741 (l is the degree of a harmonic, as in every book)

import functools
import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from pinnact.potentials.cutoffs import Radial
from pinnact.potentials.harmonics import coupling, solid_harmonics

Factor = tuple[float, int, int]  # degree, channel (element and radial function), l


@dataclass(frozen=True)
class BodyOrder:
    """Which invariants are kept: total degree `sum of n + weight l` at most `degrees[k - 1]` for products of k factors.

    `degrees` has one entry for each number of factors, at most four (five-body functions); `angular` bounds every l.
    """

    radial: Radial = field(default_factory=Radial)
    degrees: tuple[float, ...] = (12, 10, 7, 5)
    angular: int = 4
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= len(self.degrees) <= 4:
            raise ValueError(f"degrees={self.degrees} names {len(self.degrees)} body orders; give one to four degrees")


@dataclass(frozen=True, eq=False)
class Table:
    """The index tables of the invariants of a `BodyOrder`, grouped so that each group is one array expression.

    `singles` channels; `doubles[l]` two channels each; `pairs[l1, l2, L]` two channels each, coupled to degree L, and
    numbered along L in this order; `triples[l1, l2, L]`: a pair and a channel; `quadruples[L]`: two pairs.
    `degree` is the total degree of each invariant, `order` its number of factors.
    """

    singles: Int[np.ndarray, " b"]
    doubles: dict[int, Int[np.ndarray, "2 b"]]
    pairs: dict[tuple[int, int, int], Int[np.ndarray, "2 b"]]
    couplings: dict[tuple[int, int, int], Float[np.ndarray, "m1 m2 m3"]]
    triples: dict[int, Int[np.ndarray, "2 b"]]
    quadruples: dict[int, Int[np.ndarray, "2 b"]]
    degree: Float[np.ndarray, " b"]
    order: Int[np.ndarray, " b"]


def _products(factors: list[Factor], count: int, degree: float) -> Iterator[tuple[Factor, ...]]:
    """All sorted products of `count` factors of total degree at most `degree` that are even under inversion."""

    def extend(start: int, chosen: tuple[Factor, ...], left: float) -> Iterator[tuple[Factor, ...]]:
        missing = count - len(chosen)
        if missing == 0:
            if sum(l for _, _, l in chosen) % 2 == 0:
                yield chosen
            return
        for i in range(start, len(factors)):
            if factors[i][0] * missing > left + 1e-9:
                return
            yield from extend(i, (*chosen, factors[i]), left - factors[i][0])

    return extend(0, (), degree)


@functools.cache
def _intermediates(ls: tuple[int, ...], same: tuple[bool, ...]) -> tuple[int, ...]:
    """The intermediate degrees L of ((l1 l2)_L (l3 l4)_L) that give independent invariants of four factors.

    `same` says which neighbours in the product are the same factor: then some L give dependent functions, found here as
    the rank of their values at random factors.
    """
    low, high = max(abs(ls[0] - ls[1]), abs(ls[2] - ls[3])), min(ls[0] + ls[1], ls[2] + ls[3])
    candidates = range(low, high + 1)
    rng = np.random.default_rng(0)
    values = np.empty((4 * len(candidates), len(candidates)))
    for row in values:
        a: list[np.ndarray] = []
        for k, l in enumerate(ls):
            a.append(a[-1] if k and same[k - 1] else rng.normal(size=2 * l + 1))
        for i, middle in enumerate(candidates):
            left = np.einsum("abM,a,b->M", coupling(ls[0], ls[1], middle), a[0], a[1])
            right = np.einsum("abM,a,b->M", coupling(ls[2], ls[3], middle), a[2], a[3])
            row[i] = left @ right
    kept: list[int] = []
    for i in range(len(candidates)):
        if np.linalg.matrix_rank(values[:, [*kept, i]], tol=1e-8) > len(kept):
            kept.append(i)
    return tuple(candidates[i] for i in kept)


@functools.cache
def table(spec: BodyOrder, elements: int) -> Table:
    """The invariants of `spec` for surroundings of this many elements; channel = element * radial.count + n."""
    top = max(spec.degrees)
    factors = sorted(
        (n + spec.weight * l, z * spec.radial.count + n, l)
        for z in range(elements)
        for n in range(spec.radial.count)
        for l in range(spec.angular + 1)
        if n + spec.weight * l <= top
    )
    products = [list(_products(factors, k, degree)) for k, degree in enumerate(spec.degrees, start=1)]
    products += [[]] * (4 - len(products))
    rows: dict[str, dict] = {name: defaultdict(list) for name in ("1", "2", "pairs", "3", "4")}
    degrees: dict[tuple[str, int], list[float]] = defaultdict(list)
    numbers: dict[tuple, int] = {}

    def pair(first: Factor, second: Factor, middle: int) -> tuple:
        return (first[2], second[2], middle), (first[1], second[1])

    wanted = []
    for product in products[2]:
        ls = [l for _, _, l in product]
        if abs(ls[0] - ls[1]) <= ls[2] <= ls[0] + ls[1]:
            wanted.append(("3", ls[2], (pair(*product[:2], ls[2]), product[2][1]), product))
    for product in products[3]:
        same = tuple(a == b for a, b in itertools.pairwise(product))
        for middle in _intermediates(tuple(l for _, _, l in product), same):
            wanted.append(("4", middle, (pair(*product[:2], middle), pair(*product[2:], middle)), product))
    used = {key for _, _, keys, _ in wanted for key in keys if isinstance(key, tuple)}
    for kind, channels in sorted(used):
        rows["pairs"][kind].append(channels)
    count: dict[int, int] = defaultdict(int)
    for kind, members in rows["pairs"].items():
        for channels in members:
            numbers[kind, channels] = count[kind[2]]
            count[kind[2]] += 1
    for product in products[0]:
        if product[0][2] == 0:
            wanted.append(("1", 0, (product[0][1],), product))
    for product in products[1]:
        if product[0][2] == product[1][2]:
            wanted.append(("2", product[0][2], (product[0][1], product[1][1]), product))
    for name, l, keys, product in wanted:
        rows[name][l].append([numbers[key] if isinstance(key, tuple) else key for key in keys])
        degrees[name, l].append(sum(degree for degree, _, _ in product))
    arrays = lambda name: {key: np.array(members).T for key, members in sorted(rows[name].items())}
    order = [(name, l) for name in "1234" for l in sorted(rows[name])]
    return Table(
        singles=np.array(rows["1"][0])[:, 0],
        doubles=arrays("2"),
        pairs=arrays("pairs"),
        couplings={kind: coupling(*kind) for kind in rows["pairs"]},
        triples=arrays("3"),
        quadruples=arrays("4"),
        degree=np.concatenate([degrees[key] for key in order]),
        order=np.concatenate([np.full(len(degrees[key]), int(key[0])) for key in order]),
    )


def density(
    radial: Radial,
    angular: int,
    vectors: Float[Array, "i j 3"],
    element: Float[Array, "i j z"],
) -> Float[Array, "c m i"]:
    """`A_znlm = sum_j R_n(r_ij) Y_lm(r_ij / rho_ij)` of each atom i; channel c = (z, n), m = (l, m) in one row.

    `vectors` from atom i to its neighbours, `element` their one-hot element (0 where there is no neighbour). The
    direction is divided by the softened distance, which keeps A C-infinity where atoms meet.
    """
    square = jnp.sum(vectors**2, axis=-1)
    harmonics = solid_harmonics(vectors / radial.soft(square)[..., None], angular)
    functions = radial(square)
    weights = (element[..., :, None] * functions[..., None, :]).reshape(*square.shape, -1)
    return jnp.einsum("ijc,ijm->cmi", weights, jnp.concatenate(harmonics, axis=-1))


def invariants(table: Table, a: Float[Array, "c m *n"]) -> Float[Array, "b *n"]:
    """All invariants of A, in the order of the table: one, two, three, four factors."""
    a_l = lambda l: a[:, l * l : (l + 1) ** 2]
    result = [a[table.singles, 0]]
    for l, (first, second) in table.doubles.items():
        result.append(jnp.sum(a_l(l)[first] * a_l(l)[second], axis=1) / np.sqrt(2 * l + 1))
    grouped: dict[int, list[Array]] = defaultdict(list)
    for kind, (first, second) in table.pairs.items():
        left, right = a_l(kind[0])[first], a_l(kind[1])[second]
        grouped[kind[2]].append(jnp.einsum("abM,pa...,pb...->pM...", table.couplings[kind], left, right))
    pairs = {middle: jnp.concatenate(parts) for middle, parts in grouped.items()}
    for l, (first, second) in table.triples.items():
        result.append(jnp.sum(pairs[l][first] * a_l(l)[second], axis=1))
    for l, (first, second) in table.quadruples.items():
        result.append(jnp.sum(pairs[l][first] * pairs[l][second], axis=1) * np.sqrt(2 * l + 1))
    return jnp.concatenate(result)
