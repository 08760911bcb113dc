"""Units that fall silent for good, and means that move to zero."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float
from matplotlib.figure import Figure

from pinnact import activations
from pinnact.atlas import COLOURS, Finding, Tower, band, unit_gain

NAMES = ("relu", "elu", "gelu", "leaky_relu")
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
DEPTH, WIDTH, STEPS, RECORDED, SILENT, DRAWN = 3, 32, 400, 40, 1e-3, 4
X = np.random.default_rng(0).uniform(-1, 1, (128, 2))
Y = np.sin(3 * X[:, 0]) * np.cos(2 * X[:, 1])


def dying_relu(seeds: int = 5) -> Finding:
    """With a large learning rate units of relu fall silent on all data and, without a gradient, don't come back;
    leaky_relu, elu and gelu don't fall silent, and elu moves the mean activation towards zero.

    Trains networks of 3 hidden layers of 32 units by Adam at a constant rate on 128 values of a function of the plane,
    400 steps. A unit is silent where its slope |f'(z)| is below 0.001 at every point: no gradient comes through it.
    Measures by rate the share of silent units at the end, which of those silent half way speak at the end, and how far
    from zero the units' means are: root mean square over the units of the mean over the data, over that of the values
    themselves, at the start and after training at the smallest rate. Lists are seeds. Adam's momentum moves a unit on
    for some steps after its gradient is gone, and elu and gelu are flat far below zero: so they can fall silent too.

    Source: Maas, Hannun and Ng 2013, https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf; Lu et al.
    2020, arXiv:1903.06733; Clevert, Unterthiner and Hochreiter 2016, arXiv:1511.07289.
    """
    measured, shares, means = {}, {}, {}
    for name in NAMES:
        silent, means[name], errors = map(np.asarray, _trained(activations.get(name), seeds))
        shares[name] = silent.mean(axis=(3, 4))
        half = silent[:, :, RECORDED // 2]
        returned = np.sum(half & ~silent[:, :, -1]) / max(np.sum(half), 1)
        measured[name] = {"silent, start": shares[name][0, :, 0].tolist()}
        measured[name] |= {f"silent, rate {rate}": shares[name][i, :, -1].tolist() for i, rate in enumerate(RATES)}
        measured[name] |= {"silent half way": int(np.sum(half)), "of which speak at the end": float(returned)}
        for when, index in (("start", 0), ("end", -1)):
            measured[name][f"off zero, {when}"] = means[name][0, :, index].tolist()
        best = np.median(errors[:, :, -1], axis=1)
        measured[name] |= {"least error": float(best.min()), "at rate": RATES[int(best.argmin())]}
    return Finding(measured, _checks(measured), {"silence": _draw(shares, means)})


def _silent(tower: Tower) -> Bool[Array, "depth width"]:
    """Which units have no slope at any point of the data."""
    units = jax.vmap(tower.units)(X)
    first = X @ tower.first[0].T + tower.first[1][None]
    later = jnp.einsum("lij,plj->pli", tower.hidden[0], units[:, :-1]) + tower.hidden[1][None]
    entering = jnp.concatenate([first[:, None], later], axis=1)
    slopes = jnp.vectorize(jax.grad(tower.activation))(entering)
    return jnp.max(jnp.abs(slopes), axis=0) < SILENT


def _off_zero(tower: Tower) -> Float[Array, ""]:
    """Root mean square of the units' means over the data, over that of their values."""
    units = jax.vmap(tower.units)(X)
    return jnp.sqrt(jnp.mean(jnp.mean(units, axis=0) ** 2) / jnp.mean(units**2))


def _error(tower: Tower) -> Float[Array, ""]:
    return jnp.mean((jax.vmap(tower)(X)[:, 0] - Y) ** 2)


def _trained(f: activations.Activation, seeds: int) -> tuple[Array, Array, Array]:
    """Who is silent, how far means are off zero, and the error: by rate, seed and moment."""
    gain, adam = unit_gain(f), optax.scale_by_adam()
    build = lambda key: Tower((2, WIDTH, 1), DEPTH, f, key, gain)
    towers = eqx.filter_vmap(build)(jax.random.split(jax.random.key(0), seeds))

    def one(tower: Tower, rate: Array) -> tuple:
        def step(carry: tuple, _: None) -> tuple[tuple, None]:
            tower, state = carry
            updates, state = adam.update(eqx.filter_grad(_error)(tower), state)
            return (eqx.apply_updates(tower, jax.tree.map(lambda u: -rate * u, updates)), state), None

        def record(carry: tuple, _: None) -> tuple[tuple, tuple]:
            seen = _silent(carry[0]), _off_zero(carry[0]), _error(carry[0])
            return jax.lax.scan(step, carry, length=STEPS // RECORDED)[0], seen

        start = tower, adam.init(eqx.filter(tower, eqx.is_inexact_array))
        return jax.lax.scan(record, start, length=RECORDED + 1)[1]

    by_rate = lambda rate: eqx.filter_vmap(lambda tower: one(tower, rate))(towers)
    return eqx.filter_jit(jax.vmap(by_rate))(jnp.array(RATES))


def _checks(measured: dict[str, dict]) -> dict[str, bool]:
    shares = {name: [float(np.median(row[f"silent, rate {rate}"])) for rate in RATES] for name, row in measured.items()}
    start = float(np.median(measured["relu"]["silent, start"]))
    off_zero = lambda name, when: float(np.median(measured[name][f"off zero, {when}"]))
    return {
        "relu: at the smallest rate training silences at most 5 %": shares["relu"][0] - start <= 0.05,
        "relu: at the largest rate it silences more than 25 %": shares["relu"][-1] - start > 0.25,
        "relu: of those silent half way at most 5 % speak at the end": (
            measured["relu"]["of which speak at the end"] <= 0.05 and measured["relu"]["silent half way"] > 0
        ),
        **{f"{name}: at most 1 % are silent at any rate": max(shares[name]) <= 0.01 for name in NAMES[1:]},
        "elu's means are nearer to zero than relu's, at the start and after training": all(
            off_zero("elu", when) < off_zero("relu", when) for when in ("start", "end")
        ),
    }


def _draw(shares: dict[str, np.ndarray], means: dict[str, np.ndarray]) -> Figure:
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    during, after, centred = figure.subplots(1, 3)
    steps = np.arange(RECORDED + 1) * (STEPS // RECORDED)
    for name, colour in zip(NAMES, COLOURS):
        style = "--" if name == "leaky_relu" else "-"
        band(during, steps, 100 * shares[name][DRAWN], name, colour, style)
        band(after, np.array(RATES), 100 * shares[name][:, :, -1].T, name, colour, style)
        band(centred, steps, means[name][0], name, colour, style)
    during.set(
        xlabel="steps", ylabel="silent units, %", ylim=(-3, 100), title=f"during training at rate {RATES[DRAWN]}"
    )
    after.set(xlabel="learning rate", xscale="log", ylabel="silent units, %", ylim=(-3, 100), title="at the end")
    centred.set(xlabel="steps", ylabel="means of units / size of values", ylim=(0, 1), title=f"means, rate {RATES[0]}")
    after.legend(frameon=False, title="median, range of seeds", loc="upper left")
    figure.suptitle("Units that are silent on all data, and how far from zero units are on average")
    return figure
