"""Errors of a prediction against a reference, over all points and components together."""

import numpy as np
from numpy.typing import ArrayLike


def _pair(prediction: ArrayLike, reference: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    prediction, reference = np.asarray(prediction), np.asarray(reference)
    # Broadcasting (n,) against (n, 1) would score n^2 differences and say nothing.
    if prediction.shape != reference.shape:
        raise ValueError(f"shapes {prediction.shape} and {reference.shape} differ: reshape one to the other")
    if prediction.size == 0:
        raise ValueError("there is nothing to compare: both arrays are empty")
    wide = np.result_type(prediction, reference, np.float64)
    return prediction.astype(wide), reference.astype(wide)


def relative_l2(prediction: ArrayLike, reference: ArrayLike) -> float:
    """Relative error in the discrete L2 (Frobenius) norm, |p - r| / |r|, |v|^2 = sum |v_i|^2 over all entries.

    >>> relative_l2([4.0, 4.0], [3.0, 4.0])
    0.2

    Args:
        prediction: array of any shape, real or complex.
        reference: array of the same shape; where it is zero everywhere, the root mean square of p is returned.

    Returns:
        A non-negative number without unit.

    Raises:
        ValueError: the shapes differ, or the arrays are empty.
    """
    prediction, reference = _pair(prediction, reference)
    return float(np.linalg.norm(prediction - reference) / (np.linalg.norm(reference) or np.sqrt(reference.size)))


def max_error(prediction: ArrayLike, reference: ArrayLike) -> float:
    """Largest error, max |p_i - r_i|, over all entries, in the unit of the data.

    Args:
        prediction: array of any shape, real or complex.
        reference: array of the same shape.

    Returns:
        A non-negative number.

    Raises:
        ValueError: the shapes differ, or the arrays are empty.
    """
    prediction, reference = _pair(prediction, reference)
    return float(np.max(np.abs(prediction - reference)))


def relative_h1(
    prediction: ArrayLike, reference: ArrayLike, gradient_prediction: ArrayLike, gradient_reference: ArrayLike
) -> float:
    """Relative error in the discrete H1 norm, sqrt((|p - r|^2 + |p' - r'|^2) / (|r|^2 + |r'|^2)).

    Args:
        prediction: values, any shape, real or complex.
        reference: values, the same shape.
        gradient_prediction: first derivatives, any shape; coordinates must be in comparable units.
        gradient_reference: first derivatives, the same shape; where all reference data are zero, the root mean
            square of the errors of values and slopes is returned.

    Returns:
        A non-negative number.

    Raises:
        ValueError: the shapes of values or of gradients differ, or the arrays are empty.
    """
    values = _pair(prediction, reference)
    slopes = _pair(gradient_prediction, gradient_reference)
    error = np.hypot(np.linalg.norm(values[0] - values[1]), np.linalg.norm(slopes[0] - slopes[1]))
    size = np.hypot(np.linalg.norm(values[1]), np.linalg.norm(slopes[1]))
    return float(error / (size or np.sqrt(values[1].size)))
