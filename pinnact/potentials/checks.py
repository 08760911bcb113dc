"""Checks of data before anything learns from it: what can't be used raises, what is suspicious is said.

Energies in eV, lengths in angstrom, forces in eV/angstrom.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Int

from pinnact.potentials import units
from pinnact.potentials.configurations import SYMBOLS, Configurations, symbols
from pinnact.potentials.symmetries import bond_graph, bonded_share

LARGEST = 1e30  # of any number: nothing has such a size, and its square is still finite
CLOSEST = 0.2  # angstrom; the shortest bond, H2, is 0.74
FEWEST = 20  # pairs of frames: a regression through fewer is an anecdote
TRUSTED, SIGN = 0.8, 0.6  # the correlation from which on a slope is believed, and its sign alone
ALIKE = 1.5  # a slope within this factor of 1 may be noise or anharmonicity; bohr for angstrom is already 1.89
MISTAKES = {  # the slope that each makes
    "energies were in kcal/mol and forces in eV": 1 / units.KCAL_PER_MOL,
    "energies were in eV and forces in kcal/mol": units.KCAL_PER_MOL,
    "energies were in kJ/mol and forces in eV": 1 / units.KJ_PER_MOL,
    "energies were in eV and forces in kJ/mol": units.KJ_PER_MOL,
    "energies were in Hartree and forces in eV/angstrom": 1 / units.HARTREE,
    "energies were in eV and forces in Hartree/angstrom": units.HARTREE,
    "energies were in eV and forces in Hartree/bohr": units.HARTREE / units.BOHR,
    "forces were per bohr and positions in angstrom": 1 / units.BOHR,
    "forces were per angstrom and positions in bohr": units.BOHR,
}


def check(configurations: Configurations) -> list[str]:
    """What is suspicious in frames, a line each: frames there twice, atoms that change their order.

    Raises ValueError for what can't be used: no frames, elements that don't exist here, values that are not finite,
    two atoms in one place, forces that are plus the gradient of the energy or in another unit than the energies (see
    `force_slope`).
    """
    if not len(configurations):
        raise ValueError("there are no frames in it")
    _elements(configurations)
    _finite(configurations)
    _apart(configurations)
    _forces_fit(configurations)
    return [line for line in (_duplicates(configurations), _order(configurations), _swaps(configurations)) if line]


def other_bonds(known: Iterable[Iterable[int]], configurations: Configurations) -> str:
    """What to say where frames have other bonds than the `known` pairs of atoms; "" where they have the same.

    Others are bonds in nine frames out of ten, and known ones in less than one: a proton on its way counts as neither.
    """
    numbers = configurations.molecule
    if numbers is None:
        return ""
    share, trained = bonded_share(configurations), {tuple(pair) for pair in known}
    new = {(i, j) for i, j in np.argwhere(np.triu(share) > 0.9).tolist()} - trained
    missing = {pair for pair in trained if share[pair] < 0.1}
    if not new and not missing:
        return ""
    names = [f"{symbol}{atom}" for atom, symbol in enumerate(symbols(numbers))]
    shown = lambda pairs: ", ".join(f"{names[i]}-{names[j]}" for i, j in sorted(pairs)[:3]) or "none"
    return (
        f"{configurations.name}: bonds that the surface was not trained on: {shown(new)}; missing: {shown(missing)}; "
        "another isomer, or the atoms come in another order"
    )


def force_slope(configurations: Configurations) -> tuple[float, float]:
    """How energies change with the work of the forces between neighbouring frames: slope and correlation.

    `E(j) - E(i) = -(F(i) + F(j)) / 2 . (x(j) - x(i))` to third order in the distance (trapezoidal rule; exact where
    the energy is quadratic), frame j being laid onto frame i first (Kabsch 1976, doi:10.1107/S0567739476001873). The
    slope of the left side against the right is 1; -1 if the forces have the wrong sign, another factor if units differ.

    Frames need not be in order: pairs are the nearest in shape, weighted by 1 / distance^2. The correlation says if
    they are near enough for the slope to mean something: 100 shuffled frames of ethanol at 500 K have 0.95. It is 0,
    and the slope nan, where there are fewer than 20 pairs.
    """
    pairs = _neighbours(configurations)
    steps, mean_forces = _steps(configurations, pairs)
    distances = np.linalg.norm(steps, axis=(1, 2))
    least = max(50, len(configurations) // 5)
    chosen = np.argsort(distances, kind="stable")[:least]
    chosen = chosen[distances[chosen] > 0]
    weights = 1 / distances[chosen]
    energies = configurations.energies[pairs[chosen]]
    change = weights * (energies[:, 1] - energies[:, 0])
    work = -weights * np.sum(mean_forces[chosen] * steps[chosen], axis=(1, 2))
    scale = np.sqrt(np.sum(work**2) * np.sum(change**2))
    if len(chosen) < FEWEST or scale == 0:
        return float("nan"), 0.0
    return float(np.sum(work * change) / np.sum(work**2)), float(np.sum(work * change) / scale)


def _elements(c: Configurations) -> None:
    wrong = np.argwhere((c.numbers < 0) | (c.numbers >= len(SYMBOLS)))
    if len(wrong):
        frame, atom = wrong[0]
        raise ValueError(f"atom {atom} of frame {frame} has number {c.numbers[frame, atom]}; give 1 (H) to 86 (Rn)")


def _finite(c: Configurations) -> None:
    for name in ("positions", "energies", "forces", "cells", "stresses"):
        values = getattr(c, name)
        if values is not None and not np.all(np.abs(values) < LARGEST):
            frame = int(np.argwhere(~(np.abs(values) < LARGEST))[0][0])
            raise ValueError(f"{name} of frame {frame} are not finite; leave that frame out, or calculate it again")
    if c.cells is not None and not np.all(np.linalg.det(c.cells)):
        frame = int(np.flatnonzero(np.linalg.det(c.cells) == 0)[0])
        raise ValueError(f"the cell of frame {frame} has no volume; give three vectors, or no cells")


def _apart(c: Configurations) -> None:
    first, second = np.triu_indices(c.numbers.shape[1], 1)
    chunk = 1 + 1_000_000 // (1 + len(first))
    for start in range(0, len(c), chunk):
        part = c[start : start + chunk]
        apart = part.positions[:, first] - part.positions[:, second]
        if part.cells is not None:
            apart = apart - np.round(apart @ np.linalg.inv(part.cells)) @ part.cells
        distances = np.linalg.norm(apart, axis=-1)
        distances[(part.numbers[:, first] == 0) | (part.numbers[:, second] == 0)] = np.inf
        close = np.argwhere(distances < CLOSEST)
        if len(close):
            frame, pair = close[0]
            raise ValueError(
                f"atoms {first[pair]} and {second[pair]} of frame {start + frame} are {distances[frame, pair]:.2g} "
                "angstrom apart; leave that frame out, or say the unit of length"
            )


def _duplicates(c: Configurations) -> str:
    first: dict[bytes, int] = {}
    twice = []
    for frame in range(len(c)):
        cell = b"" if c.cells is None else c.cells[frame].tobytes()
        earlier = first.setdefault(c.numbers[frame].tobytes() + c.positions[frame].tobytes() + cell, frame)
        twice += [(earlier, frame)] if earlier != frame else []
    if not twice:
        return ""
    earlier, frame = twice[0]
    return (
        f"{len(twice)} of {len(c)} frames are there twice (frame {frame} is frame {earlier}); leave them out, "
        "or errors on a test set will look too small"
    )


def _order(c: Configurations) -> str:
    different = np.flatnonzero(np.any(c.numbers != c.numbers[0], axis=1))
    for frame in different:
        if np.array_equal(np.sort(c.numbers[frame]), np.sort(c.numbers[0])):
            atom = np.flatnonzero(c.numbers[frame] != c.numbers[0])[0]
            one, other = symbols([c.numbers[0][atom], c.numbers[frame][atom]])
            return (
                f"frame {frame} has the atoms of frame 0 in another order (atom {atom} is {other}, not {one}); "
                "give all frames one order, or no model of one molecule can learn from them"
            )
    return ""


def _swaps(c: Configurations) -> str:
    """A bond of frame 0 is broken, and where its atom was stands one of the same element, away from its own place.

    That it left its own place tells it from a reaction: where a proton goes from one oxygen to another, these stay.
    """
    if c.molecule is None or c.cells is not None:
        return ""
    bonds = np.argwhere(bond_graph(c[0]))
    lengths = np.linalg.norm(c.positions[:, bonds[:, 0]] - c.positions[:, bonds[:, 1]], axis=-1)
    usual, broken = lengths[0], lengths > 1.5 * lengths[0]
    for frame, bond in np.argwhere(broken):
        centre, lost = bonds[bond]
        reach = np.linalg.norm(c.positions[frame] - c.positions[frame, centre], axis=-1)
        left = np.unique(bonds[broken[frame], 1])
        for other in left[(c.molecule[left] == c.molecule[lost]) & (reach[left] < 1.25 * usual[bond])]:
            one, at, new = (f"{symbols([c.molecule[i]])[0]}{i}" for i in (lost, centre, other))
            return (
                f"in frame {frame} {new} is bonded to {at}, in frame 0 {one} is, and both left their places: atoms "
                "change their order between frames; put them back in one order"
            )
    return ""


def _forces_fit(c: Configurations) -> None:
    slope, correlation = force_slope(c)
    if correlation < -SIGN:
        raise ValueError(
            f"forces have the wrong sign: energies of neighbouring frames change by {slope:.2g} times their work "
            f"(correlation {correlation:.2f}); they are the gradient, give minus it"
        )
    if correlation > TRUSTED and not 1 / ALIKE < slope < ALIKE:
        off = {guess: abs(np.log(slope / expected)) for guess, expected in MISTAKES.items()}
        guess = min(off, key=lambda name: off[name])
        raise ValueError(
            f"energies and forces don't fit: energies of neighbouring frames change by {slope:.3g} times the work of "
            f"the forces (correlation {correlation:.2f})"
            + (f", as if {guess}" if off[guess] < np.log(1.2) else "")
            + "; convert them to one system of units"
        )


def _neighbours(c: Configurations, nearest: int = 5, most: int = 2000) -> Int[np.ndarray, "pairs 2"]:
    """Pairs of frames with the same atoms: in a cell those that follow each other, else those of like distances."""
    _, which = np.unique(c.numbers, axis=0, return_inverse=True)
    same = np.flatnonzero(which == np.argmax(np.bincount(which)))
    frames = same[np.argsort(c.order[same], kind="stable")][:most]
    if c.cells is not None:
        pairs = np.stack([frames[:-1], frames[1:]], axis=1)
        return pairs[np.all(np.isclose(c.cells[pairs[:, 0]], c.cells[pairs[:, 1]]), axis=(1, 2))]
    atoms = np.flatnonzero(c.numbers[frames[0]])
    upper, lower = np.triu_indices(len(atoms), 1)
    frames = frames[: max(2, int(2e7) // max(1, len(upper)))]  # 160 MB
    places = c.positions[frames][:, atoms]
    shapes = 1 / np.linalg.norm(places[:, upper] - places[:, lower], axis=-1)
    squares = np.sum(shapes**2, axis=1)
    apart = squares[:, None] + squares - 2 * shapes @ shapes.T
    np.fill_diagonal(apart, np.inf)
    likest = np.argsort(apart, axis=1)[:, : min(nearest, len(frames) - 1)]
    pairs = np.stack([np.repeat(np.arange(len(frames)), likest.shape[1]), likest.ravel()], axis=1)
    return frames[np.unique(np.sort(pairs, axis=1), axis=0)]


def _steps(
    c: Configurations, pairs: Int[np.ndarray, "pairs 2"]
) -> tuple[Float[np.ndarray, "pairs atoms 3"], Float[np.ndarray, "pairs atoms 3"]]:
    """The way from the first frame of each pair to the second one, laid onto it, and the mean of their forces."""
    first, second = pairs.T
    start, end, forces = c.positions[first], c.positions[second], c.forces[second]
    if c.cells is not None:
        cells = c.cells[first]
        steps = end - start
        return steps - np.round(steps @ np.linalg.inv(cells)) @ cells, (c.forces[first] + forces) / 2
    real = (c.numbers[first] > 0)[..., None]
    centred = lambda x: real * (x - np.sum(real * x, axis=1, keepdims=True) / np.sum(real, axis=1, keepdims=True))
    start, end = centred(start), centred(end)
    left, _, right = np.linalg.svd(np.swapaxes(end, 1, 2) @ start)
    left[:, :, 2] *= np.sign(np.linalg.det(left @ right))[:, None]  # a rotation, no reflection
    turn = left @ right
    return end @ turn - start, (c.forces[first] + forces @ turn) / 2
