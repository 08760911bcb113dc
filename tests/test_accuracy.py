"""Default training reaches its accuracy: counted in steps, not in seconds, with room of ten times and more.

Slow: run by `scripts/run_slow_tests.sh`.
"""

import pytest

import pinnact as pn
from pinnact import library

# problem: (steps, the largest relative L2 error allowed)
BOUNDS = {
    "poisson": (1500, 1e-6),
    "heat": (1300, 1e-6),
    "burgers": (3900, 1e-3),
    "helmholtz": (3000, 2e-4),
    "navier_cauchy": (1500, 1e-4),
    "klein_gordon": (500, 1e-5),
    "allen_cahn": (2500, 1e-2),
    "schroedinger": (2000, 1e-2),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOUNDS)
def test_the_default_recipe_reaches(name):
    steps, bound = BOUNDS[name]
    solution = pn.solve(library.make(library.find(f"pde/{name}"), {}), steps=steps)
    assert max(solution.error().values()) < bound
    assert solution.lift_error and max(solution.lift_error.values()) > 100 * max(solution.error().values())
