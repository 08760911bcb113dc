"""Whether an activation after aggregation sees inhibition on a graph with positive and negative edges."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure

from pinnact import activations
from pinnact.atlas import Finding, train

NAMES = ("relu", "leaky_relu", "elu", "tanh", "gelu")
COLOURS = ("#D55E00", "#E69F00", "#0072B2", "#009E73", "#CC79A7")
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
FORMS = {"positive": (1, 0, 0), "bias": (1, 1, 0), "self-loops": (1, 0, 1), "both signs": (0, 0, 0)}  # W >= 0, b, A + I
CASES = [(form, share) for form in FORMS for share in SHARES if share == 0.5 or form in ("positive", "both signs")]
DRIVERS, RECEIVERS, WIDTH, STEPS = 24, 96, 8, 150


def opposition(seeds: int = 5) -> Finding:
    """Relu after aggregation can't see inhibition: a strongly inhibited node and one that is not connected both come
    out as 0, while elu keeps them apart; so relu classifies the nodes of a graph with negative edges worse than elu.

    The graph is a signed stochastic block model: 24 drivers excite each other and send an edge with probability 0.4 to
    each of 96 receivers that are connected, positive or negative by the receiver's class (one edge in ten of the wrong
    sign); half of the receivers hear no driver; any two nodes have an edge of random sign with probability 0.01. Every
    node says 1. A network of two rounds `H -> f(A H W)`, width 8, and a linear readout of each node tells excited,
    unconnected and inhibited receivers apart, trained on half of them; measured is the mean over the classes of
    the share that is right among the others, by the share of the connected that is inhibited. The claim is about units:
    `positive` holds W >= 0, so that the sign of an aggregate is the sign of its edges. The other forms undo one
    thing each: a bias, self-loops (A + I), or, as usual, W of both signs, where relu(-a) sees what relu(a) drops.

    Source: Derr, Ma and Tang 2018, Signed Graph Convolutional Networks, arXiv:1808.06354; Holland, Laskey and Leinhardt
    1983, doi:10.1016/0378-8733(83)90021-7 (block models); Clevert et al. 2016, arXiv:1511.07289 (elu).
    """
    measured = {}
    for name, f in ((name, activations.get(name)) for name in NAMES):
        correct = {f"{form}, {share:.0%}": c for (form, share), c in zip(CASES, _accuracies(f, seeds).T.tolist())}
        measured[name] = {"apart before training": _apart(f, seeds)} | correct
    return Finding(measured, _checks(measured), {"opposition": _draw(measured)})


def _graph(share: jax.Array, key: jax.Array) -> dict[str, jax.Array]:
    """Signed edges `A[to, from]` and classes: 0 driver, 1 excited, 2 unconnected, 3 inhibited."""
    k_link, k_flip, k_noise, k_sign = jax.random.split(key, 4)
    count, place = DRIVERS + RECEIVERS, jnp.arange(RECEIVERS)
    classes = jnp.where(place % 2 == 0, 2, jnp.where(place < share * RECEIVERS, 3, 1))
    classes = jnp.concatenate([jnp.zeros(DRIVERS, int), classes])
    heard = jax.random.bernoulli(k_link, 0.4, (count, count)) & (jnp.arange(count)[None, :] < DRIVERS)
    flipped = jax.random.bernoulli(k_flip, 0.1, (count, count)) & (classes > 0)[:, None]
    noise = jax.random.bernoulli(k_noise, 0.01, (count, count))
    edges = heard * jnp.array([1, 1, 0, -1])[classes][:, None] * jnp.where(flipped, -1, 1)
    edges = jnp.where(noise, 2 * jax.random.bernoulli(k_sign, 0.5, (count, count)) - 1, edges)
    return {"edges": edges.astype(jnp.int8), "classes": classes}


def _network(form: jax.Array, share: jax.Array, key: jax.Array) -> dict[str, jax.Array]:
    """A graph, whole numbers that nothing trains, with the weights of its network."""
    keys = jax.random.split(key, 4)
    shapes = {"first": (1, WIDTH), "second": (WIDTH, WIDTH), "last": (WIDTH, 4)}
    glorot = lambda key, shape: jax.random.normal(key, shape) * (2 / sum(shape)) ** 0.5
    weights = {name: glorot(k, shape) for (name, shape), k in zip(shapes.items(), keys)}
    biases = {"b1": jnp.zeros(WIDTH), "b2": jnp.zeros(WIDTH), "b3": jnp.zeros(4)}
    return weights | biases | {"form": form} | _graph(share, keys[3])


def _every_case(key: jax.Array) -> dict[str, jax.Array]:
    """The networks of all cases for one seed; the same seed draws the same edges for every form."""
    forms, shares = jnp.array([FORMS[form] for form, _ in CASES]), jnp.array([share for _, share in CASES])
    return jax.vmap(_network, (0, 0, None))(forms, shares, key)


def _hidden(f: Callable, net: dict[str, jax.Array]) -> jax.Array:
    """What the units of every node say after two rounds; aggregates are in units of a receiver's number of edges."""
    positive, biased, looped = net["form"]
    a = (net["edges"] + looped * jnp.eye(len(net["edges"]))) / (0.4 * DRIVERS)
    h = jnp.ones((len(a), 1))
    for weight, bias in ((net["first"], net["b1"]), (net["second"], net["b2"])):
        h = f(a @ h @ jnp.where(positive, jnp.abs(weight), weight) + biased * bias[None, :])
    return h


def _accuracies(f: Callable, seeds: int) -> np.ndarray:
    """Mean accuracy over the classes among receivers that were not trained on, (seeds, cases)."""
    pairs = np.arange(DRIVERS, DRIVERS + RECEIVERS).reshape(-1, 2)  # an unconnected one, a connected one
    known, asked = pairs[::2].ravel(), pairs[1::2].ravel()
    logits = lambda net: _hidden(f, net) @ net["last"] + net["b3"][None, :]
    entropy = optax.softmax_cross_entropy_with_integer_labels
    cost = lambda net: entropy(logits(net)[known], net["classes"][known]).mean()

    def correct(net: dict[str, jax.Array]) -> jax.Array:
        right = jnp.argmax(logits(net)[asked], axis=1) == net["classes"][asked]
        of = jax.nn.one_hot(net["classes"][asked], 4)
        return jnp.sum(right @ of / jnp.maximum(of.sum(0), 1)) / jnp.sum(of.sum(0) > 0)

    # The sum trains each case as if alone: Adam looks at each number by itself.
    nets, _ = train(_every_case, lambda nets: jnp.sum(jax.vmap(cost)(nets)), seeds=seeds, steps=STEPS, rate=2e-2)
    return np.asarray(jax.jit(jax.vmap(jax.vmap(correct)))(nets))


def _apart(f: Callable, seeds: int) -> list[float]:
    """How far inhibited units are from unconnected ones over how far excited are, before training with W >= 0."""

    def one(key: jax.Array) -> jax.Array:
        net = _network(jnp.array(FORMS["positive"]), 0.5, key)
        of = jax.nn.one_hot(net["classes"], 4)
        _, excited, unconnected, inhibited = of.T @ _hidden(f, net) / of.sum(0)[:, None]
        return jnp.linalg.norm(inhibited - unconnected) / jnp.linalg.norm(excited - unconnected)

    return np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(1), seeds))).tolist()


def _checks(measured: dict[str, dict]) -> dict[str, bool]:
    relu, elu = ({key: float(np.median(found)) for key, found in measured[name].items()} for name in ("relu", "elu"))
    ahead = {key: elu[key] - relu[key] for key in relu}
    ahead_by = lambda form, points: all(ahead[f"{form}, {share:.0%}"] > points for share in SHARES[1:])
    alike = relu["apart before training"] < 0.1 and elu["apart before training"] > 0.3
    return {
        "with W >= 0 relu's inhibited units are < 10 % as far from unconnected as excited are, elu's > 30 %": alike,
        "with W >= 0 elu is ahead by > 10 points wherever edges are negative": ahead_by("positive", 0.1),
        "with W >= 0 and no negative edges they agree to 5 points": abs(ahead["positive, 0%"]) < 0.05,
        "with W of both signs elu is still ahead by > 5 points wherever edges are negative": ahead_by(
            "both signs", 0.05
        ),
    }


def _draw(measured: dict[str, dict]) -> Figure:
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    labels = ["W >= 0", "+ bias", "+ self-\nloops", "W of both\nsigns"]
    left, middle, right = figure.subplots(1, 3, sharey=True)
    for i, (name, colour) in enumerate(zip(NAMES, COLOURS)):
        for axes, form in ((left, "positive"), (middle, "both signs")):
            found = np.array([measured[name][f"{form}, {share:.0%}"] for share in SHARES])
            axes.plot(SHARES, np.median(found, axis=1), "o-", color=colour, markersize=4, label=name)
            axes.fill_between(SHARES, found.min(axis=1), found.max(axis=1), color=colour, alpha=0.12, linewidth=0)
        found = np.array([measured[name][f"{form}, 50%"] for form in FORMS])
        right.plot(np.arange(4) + 0.15 * (i - 2), found, "o", color=colour, markersize=3, alpha=0.5)
        right.plot(np.arange(4) + 0.15 * (i - 2), np.median(found, axis=1), "_", color=colour, markersize=12)
    for axes, title in ((left, "units of weights W >= 0"), (middle, "weights of both signs, as usual")):
        axes.set(title=title, xlabel="share of the connected that is inhibited", ylim=(0.3, 1.03))
    right.set(title="what undoes it, half inhibited", xticks=range(4), xticklabels=labels)
    figure.suptitle("Relu can't see inhibition while weights are positive; weights of both signs let it")
    left.set_ylabel("accuracy, mean over classes")
    left.legend(fontsize=9, frameon=False, loc="lower left", title="line: median, band: seeds", title_fontsize=9)
    return figure
