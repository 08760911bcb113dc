"""The Allen-Cahn equation: phases separate until sharp layers lie between u = -1 and u = 1."""

import numpy as np

import pinnact as pn
from pinnact.references import etdrk4, trigonometric_interpolant


def allen_cahn(diffusivity: float = 1e-4, rate: float = 5.0) -> pn.Problem:
    """u_t = diffusivity u_xx + rate (u - u^3) on the periodic interval [-1, 1], t in [0, 1].

    The initial value is band-limited: the trigonometric interpolant of x^2 cos(pi x) on 511 points. The function
    itself has a kink at x = +-1; the problem that starts from it has a solution 1.5e-5 away (relative L2).
    Reference: ETDRK4 with 1024 modes and steps of 1e-3.
    Source: Raissi, Perdikaris and Karniadakis 2019, doi:10.1016/j.jcp.2018.10.045.
    """
    domain = pn.Interval(x=(-1, 1), periodic=True) * pn.Time(t=(0, 1))
    initial = trigonometric_interpolant((-1, 1), 511, lambda x: x**2 * np.cos(np.pi * x))
    return pn.Problem(
        domain,
        unknowns=("u",),
        coefficients={"diffusivity": diffusivity, "rate": rate},
        equations={"phase": lambda u, diffusivity, rate: u.t - diffusivity * u.xx - rate * (u - u**3)},
        conditions={"start": pn.On(domain.initial, lambda u, x: u - initial(x))},
        reference=etdrk4(
            (-1, 1), 1024, lambda k: rate - diffusivity * k**2, lambda u, derivative: -rate * u**3, initial, 1e-3
        ),
        name="allen_cahn",
    )
