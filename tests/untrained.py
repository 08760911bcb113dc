"""Solutions that nothing has trained: random networks, made in no time, for tests of what solutions can do."""

import jax

import pinnact as pn
from pinnact.history import History
from pinnact.lifts import for_problem
from pinnact.model import build_model
from pinnact.precision import precision
from pinnact.system import System

SMALL = pn.MLP(width=8, depth=2)


def untrained(problem: pn.Problem, network=SMALL, dtype: str = "float64", seed: int = 0) -> pn.Solution:
    """The solution of a random network, with three made-up rows of history."""
    with precision("float64"):
        ansatz = for_problem(problem)
    with precision(dtype):
        model = build_model(problem, network, jax.random.key(seed))
        system = System(problem, ansatz)
        history = History(system.names)
    for step in range(3):
        loss = 10.0**-step
        error = loss if problem.reference else None
        history.append(step, 0.1 + step, loss, dict.fromkeys(system.names, loss), error)
    summary = {"activation": "tanh", "network": "MLP 2x8", "seed": seed, "precision": dtype, "stopped": "steps"}
    return pn.Solution(system, model, history, None, summary, network)
