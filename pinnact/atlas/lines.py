"""Classifiers that divide the plane by one line `w_1 x_1 + w_2 x_2 + b = 0`: least squares, logistic, the best."""

import numpy as np
from jaxtyping import Float

Line = Float[np.ndarray, "3"]  # two weights and the bias
Points = Float[np.ndarray, "n 2"]
Classes = Float[np.ndarray, " n"]  # 0 or 1


def heights(line: Line, points: Points) -> Float[np.ndarray, " n"]:
    """`w . x + b` at each point."""
    return points @ line[:2] + line[2]


def least_squares(points: Points, classes: Classes) -> Line:
    """Linear regression on the classes: the line of least mean `(w . x + b - class)^2`."""
    return np.linalg.lstsq(_with_one(points), classes, rcond=None)[0]


def logistic(points: Points, classes: Classes, ridge: float = 1e-3, steps: int = 30) -> Line:
    """Logistic regression by Newton's method: the class is 1 with probability `1 / (1 + exp(-w . x - b))`.

    Least mean cross-entropy plus `ridge |(w, b)|^2 / 2`, which keeps the weights finite on sets that a line separates.
    """
    x, line = _with_one(points), np.zeros(3)
    for _ in range(steps):
        p = 1 / (1 + np.exp(-x @ line))
        hessian = (x * (p * (1 - p))[:, None]).T @ x / len(x) + ridge * np.eye(3)
        line = line - np.linalg.solve(hessian, x.T @ (p - classes) / len(x) + ridge * line)
    return line


def best_line(points: Points, classes: Classes, directions: int = 180) -> float:
    """The greatest share of these points that a line across any of the directions puts on their class's side."""
    angles = np.arange(directions) * np.pi / directions
    order = np.argsort(points @ np.stack([np.cos(angles), np.sin(angles)]), axis=0)
    surplus = np.cumsum((2 * classes - 1)[order], axis=0)  # of class 1 among those below a line behind each point
    right = np.append(classes.sum() - surplus, classes.sum())  # class 1 above; for the other way round the rest
    return float(max(right.max(), len(classes) - right.min()) / len(classes))


def _with_one(points: Points) -> Float[np.ndarray, "n 3"]:
    return np.column_stack([points, np.ones(len(points))])
