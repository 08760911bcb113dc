"""The cubic Schroedinger equation: two solitons on top of each other, which breathe."""

from math import pi

import numpy as np

import pinnact as pn
from pinnact.references import split_step, trigonometric_interpolant


def schroedinger() -> pn.Problem:
    """i h_t + h_xx / 2 + |h|^2 h = 0 on the periodic interval [-5, 5], t in [0, pi / 2], with a complex h.

    The initial value is band-limited: the trigonometric interpolant of 2 sech x on 256 points (2 sech x itself has a
    kink of 0.054 at x = +-5). The two-soliton formula for the whole line is 7e-3 away from this periodic problem.
    Reference: a split-step method of order four with 512 modes and steps of 1e-4.
    Source: Raissi, Perdikaris and Karniadakis 2019, doi:10.1016/j.jcp.2018.10.045.
    """
    domain = pn.Interval(x=(-5, 5), periodic=True) * pn.Time(t=(0, pi / 2))
    initial = trigonometric_interpolant((-5, 5), 256, lambda x: 2 / np.cosh(x))
    return pn.Problem(
        domain,
        unknowns={"h": complex},
        equations={"schroedinger": lambda h: 1j * h.t + 0.5 * h.xx + h * h.conj() * h},
        conditions={"start": pn.On(domain.initial, lambda h, x: h - initial(x))},
        reference=split_step((-5, 5), 512, initial, 1e-4),
        name="schroedinger",
    )
