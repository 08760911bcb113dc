"""The Lotka-Volterra equations: two species, one of which eats the other."""

import pinnact as pn
from pinnact.references import ode


def lotka_volterra(
    growth: float = 1.5, hunting: float = 1.0, death: float = 3.0, breeding: float = 1.0, duration: float = 6.0
) -> pn.Problem:
    """prey' = growth prey - hunting prey predator, predator' = breeding prey predator - death predator.

    For t in [0, duration], from prey = 2, predator = 1; with the default rates 6 units of time are about two rounds.
    Reference: an explicit Runge-Kutta method of order eight, relative error about 1e-11.
    Source: Volterra 1926, doi:10.1038/118558a0.
    """
    domain = pn.Time(t=(0, duration))
    both = ode(lambda t, n: (growth * n[0] - hunting * n[0] * n[1], breeding * n[0] * n[1] - death * n[1]), (2.0, 1.0))
    return pn.Problem(
        domain,
        unknowns=("prey", "predator"),
        coefficients={"growth": growth, "hunting": hunting, "death": death, "breeding": breeding},
        equations={
            "prey_balance": lambda prey, predator, growth, hunting: prey.t - growth * prey + hunting * prey * predator,
            "predator_balance": lambda prey, predator, death, breeding: (
                predator.t - breeding * prey * predator + death * predator
            ),
        },
        conditions={"start": pn.On(domain.initial, lambda prey, predator: (prey - 2.0, predator - 1.0))},
        reference={"prey": lambda t: both(t)[0], "predator": lambda t: both(t)[1]},
        name="lotka_volterra",
    )
