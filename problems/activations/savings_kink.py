"""A household that may not borrow: its savings have a kink."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from pinnact import activations
from pinnact.atlas import Finding, Tower, minimise

PATIENCE, AVERSION, INTEREST = 0.9, 2.0, 1.03  # discount factor, constant relative risk aversion, gross interest
INCOME, MOVES = (
    np.array([0.6, 1.4]),
    np.array([[0.65, 0.35], [0.35, 0.65]]),
)  # incomes a year, and chances from one to next
WEALTHIEST, WIDTH, DEPTH, STEPS = 4.0, 12, 2, 400
WEALTH = WEALTHIEST * np.linspace(0, 1, 301) ** 1.5  # points of training, denser near the limit
GRID = np.linspace(0, WEALTHIEST, 2001)
NEAR = 0.15  # years of mean income about the kink that count as at it


def savings_kink(seeds: int = 5) -> Finding:
    """The savings of a household that may not borrow have a kink in wealth; relu fits them better at the kink, tanh
    away from it, with equally many parameters.

    Bellman's equation `V(a, y) = max_(s >= 0) u(R a + y - s) + beta E V(s, y')`, u of relative risk aversion 2,
    two incomes. A perceptron s(a) with an output for each income is trained by self-scaled Broyden on the conditions of
    the maximum, Euler's equation and the limit in one: `F(c*/c - 1, s/m) = 0` with wealth in hand m = R a + y,
    consumption c = m - s, `c*^-2 = beta R E c'^-2` and `F(p, q) = p + q - sqrt(p^2 + q^2)`. The reference is found by
    endogenous grid points. Measures the largest error of the savings of a poor year within 0.15 mean incomes of the
    kink, the root mean square error of both years' away from it, and the largest loss of value of living by the
    network, as a share of consumption. Medians over seeds decide, for training of relu fails now and then.

    Source: Carroll 2006, doi:10.1016/j.econlet.2005.09.013, for endogenous grid points; Aiyagari 1994,
    doi:10.2307/2118417; Maliar, Maliar and Winant 2021, doi:10.1016/j.jmoneco.2021.07.004, for networks.
    """
    best, kink = _reference()
    measured, found = {}, {}
    for name in ("relu", "tanh"):
        savings = _trained(name, seeds, STEPS)
        measured[name] = _errors(savings, best, kink)
        found[name] = savings
    return Finding(measured, _checks(measured), {"savings": _draw(found, best, kink)})


def _reference(income: np.ndarray = INCOME, patience: float = PATIENCE) -> tuple[np.ndarray, float]:
    """Savings on the grid `(2, 2001)`, and the wealth up to which a poor year's are 0, by endogenous grid points."""
    s = 5 * WEALTHIEST * np.linspace(0, 1, 3001) ** 2
    hands, consumption = [s, s], [s, s]  # consume all, at first
    for _ in range(600):
        eaten = np.stack(
            [np.interp(INTEREST * s + y, h, c) for y, h, c in zip(income, hands, consumption, strict=True)]
        )
        marginal = patience * INTEREST * MOVES @ np.maximum(eaten, 1e-9) ** -AVERSION
        inner = marginal ** (-1 / AVERSION)
        hands = [np.concatenate([[0], row + s]) for row in inner]  # below the first of them all is consumed
        consumption = [np.concatenate([[0], row]) for row in inner]
    held = INTEREST * GRID + income[:, None]
    savings = held - np.stack([np.interp(m, h, c) for m, h, c in zip(held, hands, consumption, strict=True)])
    return savings, float((hands[0][1] - income[0]) / INTEREST)


def _save(network: eqx.Module, wealth: jax.Array) -> jax.Array:
    """Savings `(points, incomes)`, which start near 0.7 of wealth: where consumption is positive."""
    return 0.7 * wealth[:, None] + 0.1 * jax.vmap(network)(wealth[:, None])


def _residual(network: eqx.Module) -> jax.Array:
    """Fischer and Burmeister's function of Euler's equation and the limit, at every wealth of training and income."""
    save = lambda a: _save(network, a)
    eat = lambda a, s: jnp.maximum(INTEREST * a[:, None] + INCOME[None, :] - s, 0.02)
    wealth = jnp.asarray(WEALTH)
    s = save(wealth)
    now = eat(wealth, s)

    def wanted(column: jax.Array, chances: np.ndarray) -> jax.Array:
        later = eat(column, save(column))
        return (PATIENCE * INTEREST * (later**-AVERSION) @ chances) ** (-1 / AVERSION)

    goal = jnp.stack([wanted(s[:, i], MOVES[i]) for i in range(2)], axis=1)
    p, q = goal / now - 1, s / (now + jnp.abs(s))
    return p + q - jnp.sqrt(p**2 + q**2 + 1e-16)


def _trained(name: str, seeds: int, steps: int) -> np.ndarray:
    """Savings on the grid by seed, `(seeds, 2, 2001)`."""
    build = lambda key: Tower((1, WIDTH, 2), DEPTH, activations.get(name), key)
    networks, _ = minimise(build, lambda network: jnp.mean(_residual(network) ** 2), seeds=seeds, steps=steps)
    savings = eqx.filter_vmap(lambda network: _save(network, jnp.asarray(GRID)))(networks)
    return np.asarray(savings).transpose(0, 2, 1)


def _value(savings: np.ndarray) -> np.ndarray:
    """Bellman's equation iterated with given savings: the value of living by them, on the grid."""
    s = np.clip(savings, 0, np.minimum(WEALTHIEST, INTEREST * GRID + INCOME[:, None] - 1e-3))
    reward = (INTEREST * GRID + INCOME[:, None] - s) ** (1 - AVERSION) / (1 - AVERSION)
    value = np.zeros_like(reward)
    for _ in range(250):  # 0.9^250 < 1e-11
        later = np.array([[np.interp(row, GRID, v) for v in value] for row in s])
        value = reward + PATIENCE * np.einsum("ij,ijg->ig", MOVES, later)
    return value


def _errors(savings: np.ndarray, best: np.ndarray, kink: float) -> dict[str, list[float]]:
    near, wrong = np.abs(GRID - kink) < NEAR, savings - best
    lost = [1 - (_value(best) / _value(one)) ** (1 / (AVERSION - 1)) for one in savings]
    return {
        "error at the kink": np.abs(wrong[:, 0, near]).max(axis=1).tolist(),
        "error away": np.sqrt(np.mean(wrong[:, :, ~near] ** 2, axis=(1, 2))).tolist(),
        "loss of value": [float(share.max()) for share in lost],
    }


def _checks(measured: dict[str, dict]) -> dict[str, bool]:
    middle = {name: {key: np.median(values) for key, values in row.items()} for name, row in measured.items()}
    relu, tanh = middle["relu"], middle["tanh"]
    return {
        "at the kink relu errs less than tanh": bool(relu["error at the kink"] < tanh["error at the kink"]),
        "away from it tanh errs less than relu": bool(tanh["error away"] < relu["error away"]),
    }


def _draw(found: dict[str, np.ndarray], best: np.ndarray, kink: float) -> Figure:
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    whole, close, wrong = figure.subplots(1, 3)
    for row, income, style in zip(best, INCOME, ("k-", "k--"), strict=True):
        whole.plot(GRID, row, style, linewidth=1.2, label=f"income {income}")
    whole.set(title="Savings, the reference", ylabel="savings (years of mean income)")
    close.plot(GRID, best[0], "k-", linewidth=2.5, alpha=0.4, label="reference")
    for name, colour in (("tanh", "C0"), ("relu", "C1")):
        order = np.argsort(np.abs(found[name] - best).max(axis=(1, 2)))
        middle = found[name][order[len(order) // 2]]  # the seed of middle error
        close.plot(GRID, middle[0], colour, linewidth=1.2, label=f"{name}, middle seed")
        wrong.semilogy(GRID, np.abs(middle[0] - best[0]) + 1e-7, colour, linewidth=1, label=f"{name}, middle seed")
    close.set(xlim=(0, 0.4), ylim=(-0.02, 0.2), title=f"Income {INCOME[0]}: the kink at {kink:.2f}", ylabel="savings")
    wrong.set(title=f"Income {INCOME[0]}: error", ylabel="|error of savings|", ylim=(1e-6, 1e-1))
    wrong.axvspan(max(kink - NEAR, 0), kink + NEAR, color="0.9", label="at the kink")
    for axes in (whole, close, wrong):
        axes.set(xlabel="wealth (years of mean income)")
        axes.legend(fontsize=8, frameon=False)
    return figure
