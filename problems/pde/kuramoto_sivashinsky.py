"""The Kuramoto-Sivashinsky equation: long waves grow, short ones decay, advection links them."""

from math import pi

import numpy as np

import pinnact as pn
from pinnact.references import etdrk4, trigonometric_interpolant


def kuramoto_sivashinsky(case: str = "regular") -> pn.Problem:
    """u_t + advection u u_x + growth u_xx + damping u_xxxx = 0 on a periodic interval, t in [0, 1].

    `case="regular"`: [-1, 1], u(x, 0) = -sin(pi x), coefficients 5, 1/2, 1/200.
    `case="chaotic"`: [0, 2 pi], u(x, 0) = cos x (1 + sin x), coefficients 100/16, 100/16^2, 100/16^4.
    Any other case raises ValueError.
    Reference: ETDRK4, 96 modes and steps of 5e-5 (regular), 512 modes and steps of 1e-4 (chaotic).
    Source: Wang, Sankaran and Perdikaris 2024, doi:10.1016/j.cma.2024.116813.
    """
    match case:
        case "regular":
            interval, start, modes, step = (-1, 1), lambda x: -np.sin(pi * x), 96, 5e-5
            advection, growth, damping = 5.0, 0.5, 0.005
        case "chaotic":
            interval, start, modes, step = (0, 2 * pi), lambda x: np.cos(x) * (1 + np.sin(x)), 512, 1e-4
            advection, growth, damping = 100 / 16, 100 / 16**2, 100 / 16**4
        case _:
            raise ValueError(f"case={case!r} is unknown: choose regular or chaotic")
    initial = trigonometric_interpolant(interval, 8, start)  # the same function, in NumPy and in JAX
    domain = pn.Interval(x=interval, periodic=True) * pn.Time(t=(0, 1))
    return pn.Problem(
        domain,
        unknowns=("u",),
        coefficients={"advection": advection, "growth": growth, "damping": damping},
        equations={
            "momentum": lambda u, advection, growth, damping: (
                u.t + advection * u * u.x + growth * u.xx + damping * u.xxxx
            )
        },
        conditions={"start": pn.On(domain.initial, lambda u, x: u - initial(x))},
        reference=etdrk4(
            interval,
            modes,
            lambda k: growth * k**2 - damping * k**4,
            lambda u, derivative: -advection / 2 * derivative(u**2),
            initial,
            step,
        ),
        name="kuramoto_sivashinsky",
    )
