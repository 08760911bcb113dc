"""Uniform points on sets of simplices: segments, triangles, tetrahedra."""

from math import factorial

import numpy as np
from jaxtyping import Float

from pinnact.domains.charts import Chart, Points


def sizes(corners: Float[np.ndarray, "m k_plus_1 d"]) -> Float[np.ndarray, " m"]:
    """Length, area or volume of m simplices, sqrt(det(E E^T)) / k!, E the k edges from the first corner."""
    edges = corners[:, 1:] - corners[:, :1]
    gram = np.einsum("mid,mjd->mij", edges, edges)
    return np.sqrt(np.maximum(np.linalg.det(gram), 0.0)) / factorial(edges.shape[1])


def chart(corners: np.ndarray, normals: np.ndarray | None = None) -> Chart:
    """The chart of m simplices: the first unit coordinate picks one by size, its remainder is used again.

    Args:
        corners: array (m, k + 1, d).
        normals: outward unit normals (m, d), or None.

    Returns:
        A chart of the k-dimensional unit cube.
    """
    size = sizes(corners)
    ends = np.cumsum(size) / np.sum(size)
    starts = np.concatenate([[0.0], ends[:-1]])

    def place(unit: np.ndarray) -> Points:
        which = np.minimum(np.searchsorted(ends, unit[:, 0], side="right"), len(ends) - 1)
        rest = np.clip((unit[:, 0] - starts[which]) / (ends[which] - starts[which]), 0.0, 1.0)
        # The gaps between k sorted uniform numbers are uniform barycentric coordinates.
        cuts = np.sort(np.column_stack([rest, unit[:, 1:]]), axis=1)
        weights = np.diff(cuts, axis=1, prepend=0.0, append=1.0)
        points = np.einsum("nk,nkd->nd", weights, corners[which])
        return Points(points, None if normals is None else normals[which])

    return Chart.of(corners.shape[1] - 1, place)
