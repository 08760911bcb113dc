"""One neuron holds a robot arm: what the shape of its activation does to the motion."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from matplotlib.figure import Figure

from pinnact import activations
from pinnact.atlas import Finding, train

SATURATING = ("tanh", "hard_tanh", "softsign", "arctan")
NAMES = ("identity", *SATURATING, "sin", "relu")
ODD = NAMES[:-1]
DAMPING, EFFORT = 0.8, 0.25
SMALL, LARGE = 0.01, 5.0
STEP, TIMES = 0.02, np.arange(0, 60, 0.02)
HORIZON, STEPS = 500, 800  # of training: steps of the simulation, and of Adam
COLOURS = ("#000000", "#0072b2", "#56b4e9", "#009e73", "#e69f00", "#cc79a7", "#d55e00")  # Okabe and Ito


def controller(seeds: int = 5) -> Finding:
    """A neuron that steers an arm by its error is a proportional controller whose gain is its activation's slope at
    zero error: small steps rise, overshoot and settle as linear theory says, whatever the activation. Large steps feel
    its shape: saturating ones rise later, relu, which only pushes, and sin, which turns round, never settle. Gains
    trained through the simulation are those of optimal linear control for small steps and better ones for large.

    The arm: `q'' + 0.8 q' = u`, `u = f(w_e e - w_v q') / f'(0+)`, `e` the distance to the target. Measures, at w_e = 1,
    w_v = 0, for steps of 0.01 and 5 the time from 10 to 90 %, the overshoot, and the time after which 2 % are not left
    any more, against those of `q'' + 0.8 q' + q = 1` (damping ratio 0.4). Trains for `integral of (e^2 + u^2 / 4)` over
    10 units by Adam through the simulation; optimal linear gains are w_e = 2, w_v = 1.354, and hard_tanh keeps them.

    Source: Astrom and Murray 2008, Feedback Systems, Princeton University Press; for the optimal gains Kalman 1960,
    Bol. Soc. Mat. Mexicana 5, 102-119.
    """
    measured, courses = {"linear theory": _facts("small", _theory(TIMES))}, {}
    for name in NAMES:
        f = activations.get(name)
        go = jax.jit(jax.vmap(lambda target, f=f: _simulate(f, jnp.array([1.0, 0.0]), target, len(TIMES) - 1)[0]))
        courses[name] = small, large = np.asarray(go(jnp.array([SMALL, LARGE])))
        row = _facts("small", small) | _facts("large", large)
        measured[name] = row | (_trained(f, seeds) if name in ODD else {})
    return Finding(measured, _checks(measured), {"arm": _draw(courses, measured)})


def _simulate(f: Callable, weights: Array, target: Array, steps: int) -> tuple[Array, Array]:
    """Positions in units of the target, the start included, and the cost of the way, by Runge and Kutta's method."""
    scale = 1 / jax.grad(f)(1e-9)
    torque = lambda q, v: scale * f(weights[0] * (target - q) - weights[1] * v)

    def rates(state: Array) -> Array:
        q, v, _ = state
        u = torque(q, v)
        return jnp.stack([v, u - DAMPING * v, ((target - q) ** 2 + EFFORT * u**2) / target**2])

    def step(state: Array, _: None) -> tuple[Array, Array]:
        k1 = rates(state)
        k2 = rates(state + STEP / 2 * k1)
        k3 = rates(state + STEP / 2 * k2)
        state = state + STEP / 6 * (k1 + 2 * k2 + 2 * k3 + rates(state + STEP * k3))
        return state, state[0] / target

    last, course = jax.lax.scan(step, jnp.zeros(3), length=steps)
    return jnp.concatenate([jnp.zeros(1), course]), last[2]


def _theory(t: np.ndarray) -> np.ndarray:
    """The step response of `q'' + c q' + q = 1`."""
    decay, damped = DAMPING / 2, np.sqrt(1 - DAMPING**2 / 4)
    return 1 - np.exp(-decay * t) * (np.cos(damped * t) + decay / damped * np.sin(damped * t))


def _facts(size: str, q: np.ndarray) -> dict[str, float | None]:
    """Time from 10 to 90 %, overshoot, and time after which the course stays within 2 %; None where it never does."""

    def crossing(k: int, level: float) -> float:  # on the straight line between instants k and k + 1
        return float(TIMES[k] + STEP * (level - q[k]) / (q[k + 1] - q[k]))

    first = [np.flatnonzero((q[:-1] < level) & (q[1:] >= level)) for level in (0.1, 0.9)]
    rise = crossing(first[1][0], 0.9) - crossing(first[0][0], 0.1) if all(map(len, first)) else None
    out = np.flatnonzero(np.abs(q - 1) > 0.02)[-1]
    settled = None if out == len(q) - 1 else crossing(out, 1.02 if q[out] > 1 else 0.98)
    return {f"{size} rise": rise, f"{size} overshoot": float(max(q.max() - 1, 0)), f"{size} settling": settled}


def _trained(f: Callable, seeds: int) -> dict[str, list[float]]:
    """Gains that training finds for small and for large steps, by seed, and what large ones cost."""
    cost = lambda weights, target: _simulate(f, weights, target, HORIZON)[1]
    both = lambda weights: jnp.sum(jax.vmap(cost)(weights, jnp.array([SMALL, LARGE])))
    start = lambda key: jax.random.uniform(key, (2, 2), minval=0.5, maxval=3.0)
    found, _ = train(start, both, seeds=seeds, steps=STEPS, rate=0.1)
    large = jax.jit(jax.vmap(lambda weights: cost(weights, LARGE)))
    small_gains, large_gains = np.asarray(found).transpose(1, 2, 0).tolist()
    return {
        "w_e, small": small_gains[0],
        "w_v, small": small_gains[1],
        "w_e, large": large_gains[0],
        "w_v, large": large_gains[1],
        "large cost": np.asarray(large(found[:, 1])).tolist(),
        "large cost with linear gains": float(large(jnp.array([_optimal()]))[0]),
    }


def _optimal() -> tuple[float, float]:
    """The gains of the linear-quadratic regulator of `q'' + c q' = u`, from its Riccati equation."""
    position = EFFORT**-0.5
    return position, float(np.sqrt(DAMPING**2 + 2 * position) - DAMPING)


def _checks(measured: dict[str, dict]) -> dict[str, bool]:
    theory = measured["linear theory"]
    near = lambda value, wanted: value is not None and abs(value / wanted - 1) < 0.02
    gains = zip(("w_e, small", "w_v, small"), _optimal(), strict=True)
    return {
        "small steps are within 2 % of linear theory for all odd activations": all(
            near(measured[name][key], wanted) for name in ODD for key, wanted in theory.items()
        ),
        "large steps rise later with every saturating activation": all(
            measured[name]["large rise"] > 1.02 * theory["small rise"] for name in SATURATING
        ),
        "relu and sin never settle a large step": all(measured[n]["large settling"] is None for n in ("relu", "sin")),
        "gains trained on small steps are within 2 % of the optimal linear ones, every seed": all(
            near(found, wanted) for key, wanted in gains for name in ODD for found in measured[name][key]
        ),
        "gains trained on large steps cost less with every saturating activation": all(
            np.median(measured[n]["large cost"]) < measured[n]["large cost with linear gains"] for n in SATURATING
        ),
    }


def _draw(courses: dict[str, np.ndarray], measured: dict[str, dict]) -> Figure:
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    *steps, gains = figure.subplots(1, 3)
    for k, name in enumerate(NAMES):
        style, row = {"color": COLOURS[k], "label": name}, measured[name]
        for axes, q in zip(steps, courses[name], strict=True):
            axes.plot(TIMES, q, linestyle=("-", "--", "-.", ":")[k % 4], **style)
        if name in ODD:
            gains.plot(row["w_e, large"], row["w_v, large"], "o^svDX"[k], fillstyle="none", **style)
    steps[0].plot(TIMES[::50], _theory(TIMES[::50]), "k.", label="linear theory")
    gains.plot(*_optimal(), "k+", markersize=16, label="small steps, all")
    gains.set(title="Gains trained on large steps, by seed", xlabel="gain of the error", ylabel="gain of the speed")
    for axes, size in zip(steps, (SMALL, LARGE), strict=True):
        axes.set(title=f"Step of {size:g}", xlabel="time", ylabel="position / target", xlim=(0, 25), ylim=(-0.4, 1.7))
    for axes in figure.axes:
        axes.legend(fontsize=7)
    return figure
