"""A run of a moment, which tests stop, go on with, and refuse."""

import numpy as np

import pinnact as pn


def decay(rate=1.0, start=1.0, curve=0.0):
    domain = pn.Time(t=(0, 1))
    return pn.Problem(
        domain,
        coefficients={"rate": rate},
        equations={"decay": lambda u, t, rate: u.t + rate * u + curve * t**2},
        conditions={"start": pn.On(domain.initial, lambda u: u - start)},
        reference=lambda t: start * np.exp(-rate * t),
        name="decay",
    )


def solve(problem=None, steps=24, width=4, **options):
    base = {"points": pn.Points(interior=32, condition=4), "resampling": pn.ResidualAdaptive(every=7)}
    return pn.solve(problem or decay(), pn.MLP(width=width, depth=1), steps=steps, **(base | options))
