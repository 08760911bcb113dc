"""jinns with self-scaled Broyden or natural gradient, exact values by `output_transform`; for the peers' environment.

float64, 3 x 24 tanh, 2,000 Sobol points in one full batch, jinns' own optimisers with their default line searches. The
ansatz is pinnact's: values of order 0 are exact, tractions are a boundary loss. Burgers' points follow the residual
(jinns' RAR-D). A run that ends with NaN, as self-scaled Broyden does once nothing changes, starts anew where it ended.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from math import pi
from typing import Any

import equinox as eqx
import jax
import jinns
import jinns.optimizers
import numpy as np
from curve import BORDER, DEPTH, POINTS, WIDTH, Curve, options
from jax import Array
from jax import numpy as jnp
from jax.numpy import cos, sin
from jinns.loss import BoundaryConditionAbstract, PDEStatio
from jinns.parameters import Params
from jinns.solver import GetJinnsVariableName
from jinns.validation import AbstractValidationModule

LOOK_EVERY = {"ssbroyden": 5, "natural": 1}  # steps between two looks at the clock
STEPS_A_SECOND = 200  # more than any run makes; jinns carries arrays of that length through every step
REFINE_EVERY = {"ssbroyden": 500, "natural": 10}  # steps; a natural gradient has no memory for new points to upset
REFINE = {"novelty_proportion": 0.5, "method": "D", "k": 1.0, "c": 1.0}  # RAR-D, doi:10.1016/j.cma.2022.115671


@dataclass(frozen=True)
class Case:
    """Bounds, the residual as a loss of jinns, and the ansatz (point, network) -> values that takes exact values."""

    lower: tuple[float, float]
    upper: tuple[float, float]
    equation: PDEStatio
    ansatz: Callable[[Array, Array], Array]
    outputs: int = 1
    border: BoundaryConditionAbstract | None = None
    refine: bool = False


def along(f: Callable[[Array], Array], axis: int) -> Callable[[Array], Array]:
    """The derivative of f(point) along a coordinate, as a function of the point; forward mode."""
    return lambda point: jax.jvp(f, (point,), (jnp.eye(2)[axis],))[1]


class Poisson(PDEStatio):
    """Lap u + 2 pi^2 sin(pi x) sin(pi y)."""

    def equation(self, point: Array, u: Any, params: Params) -> Array:
        (x, y), f = point, lambda q: u(q, params)
        return along(along(f, 0), 0)(point) + along(along(f, 1), 1)(point) + 2 * pi**2 * sin(pi * x) * sin(pi * y)


class Burgers(PDEStatio):
    """u_t + u u_x - (0.01 / pi) u_xx, with the time as second coordinate."""

    def equation(self, point: Array, u: Any, params: Params) -> Array:
        f = lambda q: u(q, params)
        diffusion = 0.01 / pi * along(along(f, 0), 0)(point)
        return along(f, 1)(point) + f(point) * along(f, 0)(point) - diffusion


class Helmholtz(PDEStatio):
    """Lap u + u - (1 - 17 pi^2) sin(pi x) sin(4 pi y)."""

    def equation(self, point: Array, u: Any, params: Params) -> Array:
        (x, y), f = point, lambda q: u(q, params)
        source = (1 - 17 * pi**2) * sin(pi * x) * sin(4 * pi * y)
        return along(along(f, 0), 0)(point) + along(along(f, 1), 1)(point) + f(point) - source


LAME, SHEAR, LOAD = 1.0, 0.5, 4.0


class NavierCauchy(PDEStatio):
    """div sigma + b, sigma = lame tr(e) I + 2 shear e, for u = cos(2 pi x) sin(pi y), v = load sin(pi x) y^4 / 4."""

    def equation(self, point: Array, u: Any, params: Params) -> Array:
        (x, y), f = point, lambda q: u(q, params)
        u_xx, v_xx = along(along(f, 0), 0)(point)
        u_xy, v_xy = along(along(f, 0), 1)(point)
        u_yy, v_yy = along(along(f, 1), 1)(point)
        exact_u, exact_v = cos(2 * pi * x) * sin(pi * y), LOAD * sin(pi * x) * y**4 / 4
        force_x = (4 * LAME + 9 * SHEAR) * pi**2 * exact_u - (LAME + SHEAR) * pi * LOAD * cos(pi * x) * y**3
        mixed, bending = -2 * pi**2 * sin(2 * pi * x) * cos(pi * y), 3 * LOAD * sin(pi * x) * y**2
        force_y = SHEAR * pi**2 * exact_v - (LAME + 2 * SHEAR) * bending - (LAME + SHEAR) * mixed
        balance_x = (LAME + 2 * SHEAR) * u_xx + SHEAR * u_yy + (LAME + SHEAR) * v_xy + force_x
        balance_y = (LAME + 2 * SHEAR) * v_yy + SHEAR * v_xx + (LAME + SHEAR) * u_xy + force_y
        return jnp.stack([balance_x, balance_y])


class Tractions(BoundaryConditionAbstract):
    """sigma_xx = 0 on the left and the right, sigma_yy = (lame + 2 shear) load sin(pi x) at the top."""

    def equation_u(self, inputs: Array, u: Any, params: Params) -> tuple[Array, ...]:
        f, (left, right, _, top) = lambda q: u(q, params), inputs.T
        sides = [(LAME + 2 * SHEAR) * along(f, 0)(q)[:1] + LAME * along(f, 1)(q)[1:] for q in (left, right)]
        return *sides, LAME * along(f, 0)(top)[:1] + (LAME + 2 * SHEAR) * along(f, 1)(top)[1:]

    def equation_f(self, inputs: Array, params: Params, gridify: bool = False) -> tuple[Array, ...]:
        return jnp.zeros(1), jnp.zeros(1), jnp.atleast_1d((LAME + 2 * SHEAR) * LOAD * sin(pi * inputs[0, 3]))


CASES = {
    "poisson": Case((0, 0), (1, 1), Poisson(), lambda q, n: 16 * q[0] * (1 - q[0]) * q[1] * (1 - q[1]) * n),
    "burgers": Case(
        (-1, 0), (1, 1), Burgers(), lambda q, n: -sin(pi * q[0]) + q[1] * (1 - q[0] ** 2) * n, refine=True
    ),
    "helmholtz": Case((-1, -1), (1, 1), Helmholtz(), lambda q, n: (1 - q[0] ** 2) * (1 - q[1] ** 2) * n),
    "navier_cauchy": Case(
        (0, 0), (1, 1), NavierCauchy(),
        lambda q, n: n * 4 * jnp.stack([q[1] * (1 - q[1]), q[0] * (1 - q[0]) * q[1]]),
        outputs=2, border=Tractions(),
    ),
}  # fmt: skip


class Watch(AbstractValidationModule):
    """Keeps parameters when a look is due, to be scored afterwards, and stops when the budget is spent."""

    call_every: int = eqx.field(kw_only=True)
    curve: Curve = eqx.field(kw_only=True, static=True)
    kept: list = eqx.field(kw_only=True, static=True)

    def __call__(self, params: Params) -> tuple["Watch", Array, Array, bool]:
        def keep(*leaves: Array) -> np.bool_:
            if self.curve.due():
                now = self.curve.seconds()
                self.kept.append((now, [np.array(leaf) for leaf in leaves]))
                self.curve.plan(now)
            return np.bool_(self.curve.over())

        stop = jax.experimental.io_callback(keep, jax.ShapeDtypeStruct((), bool), *jax.tree.leaves(params))
        return self, stop, jnp.asarray(0.0), False


def callback_value(params: Params, loss: Any, batch: Any) -> Array:
    """The loss, for the line search."""
    return loss(params, batch)[0]


def callback_gradient(params: Params, loss: Any, batch: Any) -> Params:
    """Its gradient, for the update of the inverse Hessian."""
    return jax.grad(lambda p: loss(p, batch)[0])(params)


def train(case: Case, method: str, seed: int, curve: Curve) -> None:
    """Rounds of `jinns.solve` until the budget is spent; what was kept is scored at the end."""
    points, weights, refinement = jax.random.split(jax.random.PRNGKey(seed), 3)
    layers = [(eqx.nn.Linear, a, b) for a, b in zip([2, *[WIDTH] * DEPTH], [*[WIDTH] * DEPTH, case.outputs])]
    network = [step for layer in layers[:-1] for step in (layer, (jnp.tanh,))] + layers[-1:]
    u, start = jinns.nn.PINN_MLP.create(
        key=weights, eqx_list=tuple(network), eq_type="PDEStatio", output_transform=lambda q, n, _: case.ansatz(q, n)
    )
    params = Params(nn_params=start, eq_params={})
    data = jinns.data.CubicMeshPDEStatio(
        key=points, n=POINTS, nb=4 * BORDER if case.border else None, dim=2, min_pts=case.lower, max_pts=case.upper,
        method="uniform" if case.refine else "sobol",
        rar_parameters=jinns.data.RARParameters(update_every=REFINE_EVERY[method], **REFINE) if case.refine else None,
    )  # fmt: skip
    equal = jinns.loss.LossWeightsPDEStatio(dyn_loss=1.0, boundary_loss=1.0 if case.border else None)
    loss = jinns.loss.LossPDEStatio(
        u=u, dynamic_loss=case.equation, boundary_condition=case.border, loss_weights=equal, params=params
    )
    names = {"value": "train_loss_value", "grad_pt": "grads", "loss": "loss", "batch": "batch"}
    extra: dict[str, Any] = {name: GetJinnsVariableName(variable) for name, variable in names.items()}
    extra |= {"value_fn": callback_value, "grad_fn": callback_gradient}
    optimiser: Any = jinns.optimizers.vanilla_ngd()
    if method == "ssbroyden":
        optimiser = jinns.optimizers.scale_by_SSBroyden_family()
    kept: list = []
    while not curve.over():
        params, *_ = jinns.solve(
            n_iter=int(STEPS_A_SECOND * curve.budget), init_params=params, data=data, loss=loss, optimizer=optimiser,
            validation=Watch(call_every=LOOK_EVERY[method], curve=curve, kept=kept), verbose=False, key=refinement,
            extra_optax_args_and_kwargs=extra if method == "ssbroyden" else None,
        )  # fmt: skip
    structure = jax.tree.structure(params)
    predict = jax.jit(jax.vmap(u, (0, None)))
    for seconds, leaves in kept:
        values = predict(curve.points, jax.tree.unflatten(structure, leaves))
        curve.rows.append((seconds, curve.error(np.asarray(values))))


def main() -> None:
    """One run."""
    chosen = options("method")
    curve = Curve(chosen.points, chosen.started, chosen.budget)
    jax.config.update("jax_enable_x64", True)
    warnings.filterwarnings("ignore", message="Missing boundary condition")
    train(CASES[chosen.problem], chosen.method, chosen.seed, curve)
    curve.write(chosen.out, recipe=chosen.method)


if __name__ == "__main__":
    main()
