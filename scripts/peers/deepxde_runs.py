"""DeepXDE with PyTorch: Adam, then L-BFGS, exact values by `apply_output_transform`. Runs in the peers' environment.

float64, 3 x 24 tanh, 2,000 Sobol points. The losses are scaled by 1e10 (`loss_weights`): torch drops pairs of L-BFGS
with y.s < 1e-10, an absolute threshold. L-BFGS starts anew where it stops early. Elasticity is DeepXDE's own example
(displacements and stresses as outputs, all conditions exact); Burgers adds points where the residual is large, as its
example of residual-based refinement does.
"""

import os
import time

os.environ["DDE_BACKEND"] = "pytorch"

from collections.abc import Callable
from dataclasses import dataclass
from math import pi
from typing import Any

import deepxde as dde
import numpy as np
import torch
from curve import DEPTH, POINTS, WIDTH, Curve, options
from torch import Tensor, cos, sin

ADAM_STEPS, RATE = 300, 1e-3
THREADS, TRIAL_STEPS = (1, torch.get_num_threads()), 20
SCALE = 1e10
LOOK_EVERY = 50  # iterations of L-BFGS between two looks at the clock; torch keeps its memory between them
REFINE_EVERY, CANDIDATES, ADDED = 1000, 20_000, 50  # residual-based refinement


@dataclass(frozen=True)
class Case:
    """A domain, the residuals (x, y) -> list, and the ansatz (x, network) -> values that takes exact values."""

    geometry: Any
    residuals: Callable[[Tensor, Tensor], list[Tensor] | Tensor]
    ansatz: Callable[[Tensor, Tensor], Tensor]
    outputs: int = 1
    losses: int = 1
    refine: bool = False


def first(y: Tensor, x: Tensor, i: int, j: int) -> Tensor:
    """d y_i / d x_j."""
    return dde.grad.jacobian(y, x, i=i, j=j)


def second(y: Tensor, x: Tensor, j: int) -> Tensor:
    """d^2 y / d x_j^2 of a single output."""
    return dde.grad.hessian(y, x, i=j, j=j)


def columns(x: Tensor) -> tuple[Tensor, Tensor]:
    """Both coordinates, each (n, 1)."""
    return x[:, 0:1], x[:, 1:2]


def poisson() -> Case:
    """-Lap u = 2 pi^2 sin(pi x) sin(pi y) on the unit square, u = 0 on its boundary."""

    def residual(x: Tensor, u: Tensor) -> Tensor:
        a, b = columns(x)
        return second(u, x, 0) + second(u, x, 1) + 2 * pi**2 * sin(pi * a) * sin(pi * b)

    def ansatz(x: Tensor, n: Tensor) -> Tensor:
        a, b = columns(x)
        return 16 * a * (1 - a) * b * (1 - b) * n

    return Case(dde.geometry.Rectangle([0, 0], [1, 1]), residual, ansatz)


def burgers() -> Case:
    """u_t + u u_x = (0.01 / pi) u_xx on [-1, 1] x [0, 1], u(x, 0) = -sin(pi x), u = 0 at the walls."""

    def residual(x: Tensor, u: Tensor) -> Tensor:
        return first(u, x, 0, 1) + u * first(u, x, 0, 0) - 0.01 / pi * second(u, x, 0)

    def ansatz(x: Tensor, n: Tensor) -> Tensor:
        a, t = columns(x)
        return -sin(pi * a) + t * (1 - a**2) * n

    space, time = dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 1)
    return Case(dde.geometry.GeometryXTime(space, time), residual, ansatz, refine=True)


def helmholtz() -> Case:
    """Lap u + u = (1 - 17 pi^2) sin(pi x) sin(4 pi y) on [-1, 1]^2, u = 0 on the boundary."""

    def residual(x: Tensor, u: Tensor) -> Tensor:
        a, b = columns(x)
        return second(u, x, 0) + second(u, x, 1) + u - (1 - 17 * pi**2) * sin(pi * a) * sin(4 * pi * b)

    def ansatz(x: Tensor, n: Tensor) -> Tensor:
        a, b = columns(x)
        return (1 - a**2) * (1 - b**2) * n

    return Case(dde.geometry.Rectangle([-1, -1], [1, 1]), residual, ansatz)


def navier_cauchy(lame: float = 1.0, shear: float = 0.5, load: float = 4.0) -> Case:
    """div s + b = 0 and s = lame tr(e) I + 2 shear e on the unit square; outputs u, v, s_xx, s_yy, s_xy."""

    def residuals(x: Tensor, f: Tensor) -> list[Tensor]:
        a, b = columns(x)
        u_x, u_y, v_x, v_y = (first(f, x, i, j) for i in (0, 1) for j in (0, 1))
        u, u_xy = cos(2 * pi * a) * sin(pi * b), -2 * pi**2 * sin(2 * pi * a) * cos(pi * b)
        v, v_yy = load * sin(pi * a) * b**4 / 4, 3 * load * sin(pi * a) * b**2
        v_xy = pi * load * cos(pi * a) * b**3
        force_x = (4 * lame + 9 * shear) * pi**2 * u - (lame + shear) * v_xy
        force_y = shear * pi**2 * v - (lame + 2 * shear) * v_yy - (lame + shear) * u_xy
        return [
            first(f, x, 2, 0) + first(f, x, 4, 1) + force_x,
            first(f, x, 4, 0) + first(f, x, 3, 1) + force_y,
            (lame + 2 * shear) * u_x + lame * v_y - f[:, 2:3],
            (lame + 2 * shear) * v_y + lame * u_x - f[:, 3:4],
            shear * (u_y + v_x) - f[:, 4:5],
        ]

    def ansatz(x: Tensor, n: Tensor) -> Tensor:
        a, b = columns(x)
        u, v = 4 * b * (1 - b) * n[:, 0:1], 4 * a * (1 - a) * b * n[:, 1:2]
        s_xx = 4 * a * (1 - a) * n[:, 2:3]
        s_yy = (1 - b) * n[:, 3:4] + (lame + 2 * shear) * load * sin(pi * a)
        return torch.cat([u, v, s_xx, s_yy, n[:, 4:5]], dim=1)

    return Case(dde.geometry.Rectangle([0, 0], [1, 1]), residuals, ansatz, outputs=5, losses=5)


CASES = {"poisson": poisson, "burgers": burgers, "helmholtz": helmholtz, "navier_cauchy": navier_cauchy}


class Watch(dde.callbacks.Callback):
    """Looks at the error when that is due, and ends training when the budget is spent."""

    def __init__(self, curve: Curve) -> None:
        super().__init__()
        self.curve = curve

    def on_epoch_end(self) -> None:
        unknowns = self.curve.values.shape[1]
        if self.curve.due():
            self.curve.look(lambda points: self.model.predict(points)[:, :unknowns])
        if self.curve.over():
            self.model.stop_training = True


def seconds_of_a_trial(model: Any, threads: int) -> float:
    """How long some steps take with so many threads: all cores are slower than one where others compute, too."""
    torch.set_num_threads(threads)
    began = time.perf_counter()
    model.train(iterations=TRIAL_STEPS, display_every=10**9, verbose=0)
    return time.perf_counter() - began


def train(case: Case, curve: Curve) -> None:
    """Adam, then rounds of L-BFGS until the budget is spent."""
    sizes = [2, *[WIDTH] * DEPTH, case.outputs]
    net = dde.nn.FNN(sizes, "tanh", "Glorot uniform")
    net.apply_output_transform(case.ansatz)
    sort = dde.data.TimePDE if isinstance(case.geometry, dde.geometry.GeometryXTime) else dde.data.PDE
    data = sort(case.geometry, case.residuals, [], num_domain=POINTS, train_distribution="Sobol")
    model = dde.Model(data, net)
    weights = [SCALE] * case.losses
    how = {"display_every": 10**9, "callbacks": [Watch(curve)], "verbose": 0}
    model.compile("adam", lr=RATE, loss_weights=weights, verbose=0)
    faster = min(THREADS, key=lambda threads: seconds_of_a_trial(model, threads))
    torch.set_num_threads(faster)
    model.train(iterations=ADAM_STEPS - TRIAL_STEPS * len(THREADS), **how)
    while not curve.over():
        dde.optimizers.set_LBFGS_options(ftol=0, gtol=0, maxiter=REFINE_EVERY if case.refine else 10**9)
        steps = dde.optimizers.config.LBFGS_options
        steps["iter_per_step"], steps["fun_per_step"] = LOOK_EVERY, 2 * LOOK_EVERY
        model.compile("L-BFGS", loss_weights=weights, verbose=0)
        model.train(**how)
        if case.refine:
            places = case.geometry.random_points(CANDIDATES)
            worst = np.argsort(-np.abs(model.predict(places, operator=case.residuals)).ravel())[:ADDED]
            data.add_anchors(places[worst])


def main() -> None:
    """One run."""
    chosen = options()
    curve = Curve(chosen.points, chosen.started, chosen.budget)
    dde.config.set_default_float("float64")
    dde.config.set_random_seed(chosen.seed)
    train(CASES[chosen.problem](), curve)
    curve.write(
        chosen.out, recipe=f"Adam {ADAM_STEPS}, L-BFGS, losses times {SCALE:g}", threads=torch.get_num_threads()
    )


if __name__ == "__main__":
    main()
