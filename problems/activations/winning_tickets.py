"""How small a part of a network learns as well as the whole: accuracy against sparsity for three activations."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float
from matplotlib.figure import Figure

from pinnact import activations
from pinnact.atlas import COLOURS, Finding, Split, Tower, band, digits, mean_interval, trainer, unit_gain
from pinnact.precision import precision

NAMES = ("relu", "gelu", "silu")
PARTS = ("ticket", "random part", "same part, new weights")
KEPT, ROUNDS, SHOWN, JUDGED = 0.8, 16, 2, 10  # kept a round; rounds; every which is in the record; which decides
WIDTH, CASES, STEPS = 48, 300, 150


def winning_tickets(seeds: int = 5) -> Finding:
    """Whether its units are relu, gelu or silu, a network contains a winning ticket: about a tenth of its weights that,
    trained alone from their own initial values, classify as well as the whole network; a random part of that size does
    worse, and so does the same part from new initial values.

    Digits of 8 by 8 pixels, 300 to train on and 1,497 to test. A network of 2 hidden layers of 48 units is trained by
    150 steps of Adam on all cases (rate 0.01, falling to 0), the smallest 20 % of the weights of each hidden layer (10
    % of the output layer's) are set to 0 for ever, what is left goes back to its initial values, and all this is done
    16 times. Beside each ticket are trained a random part with as many weights in each layer, and the ticket's part
    with weights drawn anew. Sizes are shares of the weights of the hidden layers; the rule is about 10 rounds, 11 %.
    As well means: at most 1 point of accuracy behind the whole network, in the median of the seeds. Worse means: the 95
    % interval of the mean difference (Student's t) is above 0. The record has every second round.

    Source: Frankle and Carbin 2019, The Lottery Ticket Hypothesis, arXiv:1803.03635.
    """
    measured = {}
    with precision("float32"):
        for name in NAMES:
            found = _accuracies(activations.get(name), digits(CASES), seeds)
            for share, accuracies in zip(_shares(), found[::SHOWN], strict=True):
                row: dict = dict(zip(PARTS, accuracies.tolist(), strict=True))
                for part, others in zip(PARTS[1:], accuracies[1:], strict=True):
                    row[f"ahead of {part}"] = mean_interval(accuracies[0] - others)
                measured[f"{name}, {share:.1%}"] = row | {"behind the whole": (found[0, 0] - accuracies[0]).tolist()}
    return Finding(measured, _checks(measured), {"tickets": _draw(measured)})


def _shares() -> Float[np.ndarray, " shown"]:
    """What is left of the hidden layers' weights after the rounds that are in the record."""
    return KEPT ** np.arange(0, ROUNDS + 1, SHOWN)


def _weights(tower: Tower) -> tuple[Array, Array, Array]:
    return tower.first[0], tower.hidden[0], tower.last[0]


def _masked(tower: Tower, masks: tuple[Bool[Array, "..."], ...]) -> Tower:
    """The tower with 0 for each weight that its mask leaves out, which so has gradient 0 and stays where it is."""
    return eqx.tree_at(_weights, tower, tuple(jnp.where(m, w, 0) for w, m in zip(_weights(tower), masks, strict=True)))


def _largest(sizes: np.ndarray, among: np.ndarray, share: float) -> np.ndarray:
    """Mask of the largest `sizes` among those that are left, of each network so many that `share` of all remain."""
    ranked = np.argsort(np.where(among, -sizes, np.inf).reshape(len(sizes), -1), axis=1)
    mask = np.zeros(ranked.shape, bool)
    np.put_along_axis(mask, ranked[:, : round(share * mask.shape[1])], values=True, axis=1)
    return mask.reshape(sizes.shape)


def _accuracies(f: activations.Activation, data: Split, seeds: int) -> Float[np.ndarray, "rounds parts seeds"]:
    """Accuracy on the cases kept back, from the whole networks to their smallest parts; all in one compiled call."""
    gain, rng = unit_gain(f), np.random.default_rng(0)
    outputs = lambda net, x: jax.vmap(_masked(*net))(x)
    entropy = lambda net: optax.softmax_cross_entropy_with_integer_labels(outputs(net, data.x), data.y).mean()
    correct = lambda net: jnp.mean(jnp.argmax(outputs(net, data.x_test), axis=1) == data.y_test)
    train, test = trainer(entropy, steps=STEPS), eqx.filter_jit(eqx.filter_vmap(correct))

    own, new = (jax.random.split(jax.random.key(k), seeds) for k in (0, 1))
    keys = jnp.concatenate([own, own, new])  # in the order of PARTS
    initial = eqx.filter_vmap(lambda key: Tower((data.x.shape[1], WIDTH, 10), 2, f, key, gain))(keys)
    rates = (KEPT, KEPT, (1 + KEPT) / 2)
    tickets = [np.ones((seeds, *w.shape[1:]), bool) for w in _weights(initial)]
    found = []
    for k in range(ROUNDS + 1):
        parts = [_largest(rng.random(t.shape), np.ones_like(t), r**k) for t, r in zip(tickets, rates, strict=True)]
        masks = tuple(jnp.concatenate([t, part, t]) for t, part in zip(tickets, parts, strict=True))
        (trained, _), _ = train((initial, masks))
        found.append(np.asarray(test((trained, masks))).reshape(len(PARTS), seeds))
        sizes = [np.abs(np.asarray(w[:seeds])) for w in _weights(trained)]
        tickets = [_largest(s, t, r ** (k + 1)) for s, t, r in zip(sizes, tickets, rates, strict=True)]
    return np.array(found)


def _checks(measured: dict[str, dict]) -> dict[str, bool]:
    size = f"{KEPT**JUDGED:.1%}"
    as_well = lambda row: np.median(row["behind the whole"]) <= 0.01
    smallest = [min(s for s in _shares() if as_well(measured[f"{name}, {s:.1%}"])) for name in NAMES]
    checks = {}
    for name in NAMES:
        row = measured[f"{name}, {size}"]
        checks[f"{name}: tickets of {size} learn as well as the whole"] = bool(as_well(row))
        checks |= {f"{name}: they are ahead of the {p}": row[f"ahead of {p}"][1] > 0 for p in PARTS[1:]}
    same = bool(max(smallest) <= 2 * min(smallest))
    return checks | {"the smallest ticket as good as the whole is of the same size for all, to a factor of 2": same}


def _draw(measured: dict[str, dict]) -> Figure:
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(NAMES), sharey=True), NAMES, strict=True):
        rows = [measured[f"{name}, {share:.1%}"] for share in _shares()]
        for part, colour, style in zip(PARTS, (COLOURS[2], COLOURS[4], COLOURS[1]), ("-", "--", "-."), strict=True):
            band(axes, 100 * _shares(), 100 * np.array([row[part] for row in rows]).T, part, colour, style)
        whole = 100 * np.median(rows[0]["ticket"])
        axes.axhline(whole, color="grey", linewidth=0.8, linestyle=":", label="the whole network")
        axes.axvline(100 * KEPT**JUDGED, color="grey", linewidth=0.8, label="size the claim is about")
        axes.set(xscale="log", title=name, xlabel="weights left in the hidden layers (%)")
        axes.set(xticks=[100, 50, 20, 10, 5, 3], xticklabels=[100, 50, 20, 10, 5, 3], xlim=(105, 2.7))
        axes.minorticks_off()
    figure.axes[0].set_ylabel("digits classified right (%)")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, ncols=5, loc="outside lower center")
    figure.suptitle("Parts of a network, trained alone: tickets and two controls (median and range of seeds)")
    return figure
