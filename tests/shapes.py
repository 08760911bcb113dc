"""Corners and meshes that several tests of domains use."""

from itertools import permutations, product

import numpy as np

L_SHAPE = [(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)]
HOLE = [(0.2, 0.3), (0.6, 0.3), (0.5, 0.7)]


def square_mesh(n: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Triangles on the unit square without the quarter x, y > 1/2."""
    nodes = np.stack(np.meshgrid(*[np.linspace(0.0, 1.0, n + 1)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    corner = np.array([i * (n + 1) + j for i in range(n) for j in range(n) if i < n // 2 or j < n // 2])
    lower = np.stack([corner, corner + n + 1, corner + n + 2], axis=1)
    upper = np.stack([corner, corner + 1, corner + n + 2], axis=1)  # the other sense of rotation, on purpose
    return nodes, np.concatenate([lower, upper])


def cube_mesh() -> tuple[np.ndarray, np.ndarray]:
    """Tetrahedra on the unit cube: eight small cubes, each cut into six along the orders of its axes (Kuhn)."""
    nodes = np.stack(np.meshgrid(*[np.linspace(0.0, 1.0, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    strides = np.array([9, 3, 1])
    corners = np.array(list(product((0, 1), repeat=3))) @ strides
    paths = np.array([[0, *np.cumsum(strides[list(order)])] for order in permutations(range(3))])
    return nodes, (corners[:, None, None] + paths).reshape(-1, 4)
