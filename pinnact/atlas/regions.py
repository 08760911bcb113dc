"""The linear regions of a ReLU network of two inputs, by cutting polygons: exact, where a grid sees only the large."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

Layer = tuple[Float[ArrayLike, "n m"], Float[ArrayLike, " n"]]
Polygon = Float[np.ndarray, "corners 2"]
SLIVER = 1e-12  # of the box's width: a line that reaches less far into a polygon only touches it


class Region(NamedTuple):
    """A convex polygon on which the same units are on, layer after layer, and the network is `weight x + bias`."""

    corners: Polygon  # anticlockwise
    pattern: tuple[bool, ...]
    weight: Float[np.ndarray, "outputs 2"]
    bias: Float[np.ndarray, " outputs"]

    @property
    def area(self) -> float:
        """By the shoelace formula: half the sum of `x_i y_(i+1) - x_(i+1) y_i`."""
        x, y = (self.corners - self.corners[0]).T  # near its own corner a small polygon keeps its digits
        return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)

    @property
    def witness(self) -> Float[np.ndarray, "2"]:
        """A point in its interior: the mean of the corners."""
        return self.corners.mean(axis=0)


def linear_regions(layers: Sequence[Layer], bound: float | int = 1.0) -> list[Region]:
    """All regions of `W_L relu(... relu(W_1 x + b_1) ...) + b_L` in the box `[-bound, bound]^2`.

    `layers` are the pairs `(W, b)` from the first to the last. On a region each unit of the next layer is affine, so it
    cuts the polygon along the line where its pre-activation vanishes. Two regions have different patterns, for points
    of one pattern are an intersection of half-planes and so convex; neighbours may still have the same affine map,
    where all units that see the line are off (Hanin and Rolnick 2019, arXiv:1906.00904).
    """
    box = bound * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    regions = [Region(box, (), np.eye(2), np.zeros(2))]
    layers = [(np.asarray(weight), np.asarray(bias)) for weight, bias in layers]
    for weight, bias in layers[:-1]:
        regions = [part for region in regions for part in _through(region, weight, bias, SLIVER * bound)]
    weight, bias = layers[-1]
    return [r._replace(weight=weight @ r.weight, bias=weight @ r.bias + bias) for r in regions]


def _through(region: Region, weight: np.ndarray, bias: np.ndarray, sliver: float) -> list[Region]:
    """What a hidden layer makes of a region: its parts, each with the affine map of that layer's outputs."""
    normals, offsets = weight @ region.weight, weight @ region.bias + bias
    polygons = [region.corners]
    for normal, offset in zip(normals, offsets, strict=True):
        polygons = [part for polygon in polygons for part in cut(polygon, normal, offset, sliver)]
    parts = []
    for corners in polygons:
        on = normals @ corners.mean(axis=0) + offsets > 0
        pattern = region.pattern + tuple(on.tolist())
        parts.append(Region(corners, pattern, on[:, None] * normals, on * offsets))
    return parts


def cut(polygon: Polygon, normal: Float[np.ndarray, "2"], offset: float, sliver: float = SLIVER) -> list[Polygon]:
    """The parts of a convex polygon on both sides of the line `normal . x + offset = 0`, or it alone."""
    length = np.linalg.norm(normal)
    if length == 0:
        return [polygon]
    heights = (polygon @ normal + offset) / length
    heights[np.abs(heights) <= sliver] = 0  # a corner on the line is on it in every polygon that shares the corner
    if not heights.min() < 0 < heights.max():
        return [polygon]
    parts: list[list[np.ndarray]] = [[], []]
    following = zip(np.roll(polygon, -1, axis=0), np.roll(heights, -1), strict=True)
    for corner, height, (after, height_after) in zip(polygon, heights, following, strict=True):
        for part, side in zip(parts, (1, -1), strict=True):
            if side * height >= 0:
                part.append(corner)
            if height * height_after < 0:
                part.append(corner + height / (height - height_after) * (after - corner))
    return [np.array(part) for part in parts]


def most_regions(lines: int) -> int:
    """`1 + n + n (n - 1) / 2`: the regions of n lines in general position (Zaslavsky 1975, Mem. AMS 154)."""
    return 1 + lines + lines * (lines - 1) // 2


def crossings(weight: Float[ArrayLike, "n 2"], bias: Float[ArrayLike, " n"]) -> Float[np.ndarray, "n(n-1)/2 2"]:
    """Where each two of the lines `w_i . x + b_i = 0` cross, none of them parallel."""
    first, second = np.triu_indices(len(np.asarray(bias)), 1)
    pairs = np.stack([first, second], axis=1)
    return np.linalg.solve(np.asarray(weight)[pairs], -np.asarray(bias)[pairs][..., None])[..., 0]
