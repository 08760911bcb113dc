"""Inverse problems: the viscosity of Burgers' equation and a conductivity field, from noisy observations."""

import statistics
from math import pi

import numpy as np

import pinnact as pn
from pinnact import library
from pinnact.scoring import reference_values

NOISE = 0.01  # of the standard deviation of the data


def viscosity(seed: int, budget: float = 60.0) -> float:
    """The relative error of Burgers' viscosity: 2,000 points, noise of 1 % of std(u), a guess ten times too large."""
    exact = 0.01 / pi
    problem = library.make(library.find("pde/burgers"), {})
    points = problem.domain.sample(2000, seed=seed)
    speeds = _noisy(reference_values(problem, points)["u"], seed)
    problem = problem.infer(viscosity=pn.Positive(10 * exact)).observe(points, u=speeds)
    solution = pn.solve(problem, budget=budget, seed=seed)
    return abs(float(solution.unknowns["viscosity"]) / exact - 1)


def conductivity(seed: int, budget: float = 60.0) -> float:
    """The relative L2 error of the conductivity field of a Poisson problem: 2,000 points, noise of 1 % of std(u)."""
    problem = library.make(library.find("pde/conductivity"), {})
    points = problem.domain.sample(2000, seed=seed)
    values = _noisy(reference_values(problem, points)["u"], seed)
    exact = problem.coefficient_functions()["k"]
    inverse = problem.infer(k=pn.PositiveField(pn.MLP(width=16, depth=2))).observe(points, u=values)
    solution = pn.solve(inverse, budget=budget, seed=seed)
    where = problem.domain.grid(101)
    found = solution.unknowns["k"](**dict(zip(problem.domain.coordinates, where.T)))
    truth = np.array([float(exact(point)) for point in where])
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def _noisy(values: np.ndarray, seed: int) -> np.ndarray:
    return values + NOISE * np.std(values) * np.random.default_rng(seed).normal(size=values.shape)


def report(seeds: int = 3) -> None:
    """Print the errors of all seeds and their medians."""
    for name, function, target in (("viscosity", viscosity, 0.02), ("conductivity", conductivity, 0.05)):
        errors = [function(seed) for seed in range(seeds)]
        listed = ", ".join(f"{error:.2%}" for error in errors)
        print(f"{name}: {listed}; median {statistics.median(errors):.2%} (to reach: {target:.0%})", flush=True)


if __name__ == "__main__":
    report()
