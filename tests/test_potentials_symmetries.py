"""Bonds and symmetries of molecules: known groups, and the group axioms."""

import itertools

import numpy as np
import pytest

from pinnact.potentials import Configurations
from pinnact.potentials.symmetries import automorphisms, bond_graph, describe, hops, largest_group


def graph(atoms, bonds):
    adjacency = np.zeros((atoms, atoms), bool)
    for i, j in bonds:
        adjacency[i, j] = adjacency[j, i] = True
    return adjacency


RING = [(i, (i + 1) % 6) for i in range(6)]
ETHANOL = ([6, 6, 8, 1, 1, 1, 1, 1, 1], [(0, 1), (1, 2), (1, 3), (1, 4), (0, 5), (0, 6), (0, 7), (2, 8)])
MOLECULES = {
    "ethanol": (*ETHANOL, 12),
    "ammonia": ([7, 1, 1, 1], [(0, 1), (0, 2), (0, 3)], 6),
    "methane": ([6, 1, 1, 1, 1], [(0, k) for k in range(1, 5)], 24),
    "benzene": ([6] * 6 + [1] * 6, RING + [(k, k + 6) for k in range(6)], 12),
    "water": ([1, 8, 1], [(0, 1), (1, 2)], 2),
    "two waters": ([8, 1, 1, 8, 1, 1], [(0, 1), (0, 2), (3, 4), (3, 5)], 8),
    "heavy water, a chlorine": ([8, 1, 17], [(0, 1), (0, 2)], 1),
    "acetylacetone, enol": (
        [6, 6, 6, 8, 6, 8, 6] + [1] * 8,
        [(0, 1), (1, 2), (1, 3), (2, 4), (4, 5), (4, 6), (3, 7), (2, 11)]
        + [(0, h) for h in (8, 9, 10)]
        + [(6, h) for h in (12, 13, 14)],
        36,
    ),
}


@pytest.mark.parametrize("name", MOLECULES)
def test_groups_of_known_molecules(name):
    numbers, bonds, size = MOLECULES[name]
    numbers, adjacency = np.array(numbers), graph(len(numbers), bonds)
    group = automorphisms(numbers, adjacency)
    assert group.shape == (size, len(numbers))
    assert np.array_equal(group[0], np.arange(len(numbers)))
    members = set(map(tuple, group))
    assert len(members) == size
    for q in group:
        assert np.array_equal(numbers[q], numbers) and np.array_equal(adjacency[q][:, q], adjacency)
        assert tuple(np.argsort(q)) in members
    assert all(tuple(a[b]) in members for a, b in itertools.islice(itertools.product(group, group), 500))


def test_brute_force_agrees():
    rng = np.random.default_rng(0)
    for _ in range(20):
        numbers = rng.integers(1, 3, 6)
        adjacency = np.triu(rng.random((6, 6)) < 0.4, 1)
        adjacency = adjacency | adjacency.T
        brute = [
            q
            for q in itertools.permutations(range(6))
            if np.array_equal(numbers[list(q)], numbers) and np.array_equal(adjacency[list(q)][:, list(q)], adjacency)
        ]
        assert list(map(tuple, automorphisms(numbers, adjacency))) == brute


def test_too_many_are_none_and_leave_a_group():
    numbers, adjacency = np.array([6, 1, 1, 1, 1]), graph(5, [(0, k) for k in range(1, 5)])
    assert automorphisms(numbers, adjacency, limit=23) is None
    fewer = largest_group(numbers, adjacency, 23)
    assert len(fewer) == 6 and np.all(fewer[:, 1] == 1)
    members = set(map(tuple, fewer))
    assert all(tuple(a[b]) in members for a in fewer for b in fewer)
    assert np.array_equal(largest_group(numbers, adjacency, 1), np.arange(5)[None])


def test_bonds_are_those_of_most_frames():
    """Water whose one bond breaks in one frame of three, and a far hydrogen that comes near in one of three."""
    positions = np.tile(np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0], [0, 0, 3.0]]), (3, 1, 1))
    positions[0, 1, 0], positions[1, 3, 2] = 2.5, 1.0
    frames = Configurations(np.array([8, 1, 1, 1]), positions, np.zeros(3), np.zeros(positions.shape))
    assert np.array_equal(bond_graph(frames), graph(4, [(0, 1), (0, 2)]))


def test_hops_count_bonds():
    numbers, bonds = ETHANOL
    steps = hops(graph(len(numbers), bonds))
    assert (steps[8, 2], steps[8, 1], steps[8, 0], steps[8, 5]) == (1, 2, 3, 4)
    assert hops(graph(3, [(0, 1)]))[0, 2] == 3


def test_description():
    numbers, bonds = ETHANOL
    assert describe(numbers, automorphisms(numbers, graph(9, bonds))) == "12 permutations: H3 H4; H5 H6 H7"
    assert describe([8, 1], np.array([[0, 1]])) == "no symmetry"


def test_errors():
    frames = Configurations(np.array([[8, 1], [8, 8]]), np.ones((2, 2, 3)), np.zeros(2), np.zeros((2, 2, 3)))
    with pytest.raises(ValueError, match="more than one molecule"):
        bond_graph(frames)
    with pytest.raises(ValueError, match="no covalent radius"):
        bond_graph(Configurations(np.array([97, 1]), np.ones((1, 2, 3)), np.zeros(1), np.zeros((1, 2, 3))))
    with pytest.raises(ValueError, match="symmetric square"):
        automorphisms([1, 1], np.zeros((3, 3), bool))
