"""What each classifier draws between two classes: a line, a line with a probability, a curve."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from pinnact import activations
from pinnact.atlas import Finding, Tower, lines, train

SETS = ("blobs apart", "blobs overlapping", "moons", "circles", "XOR")
OUTSIDE, ERROR, MANY = "linear outside [0, 1]", "logistic's error", "with 30,000 points"
METHODS = ("linear regression", "logistic regression", "200 sigmoid units")
UNITS, STEPS = 200, 800
SHIFT, SPREAD = 0.7, 0.7  # of the overlapping blobs: centres at (+-shift, 0), deviation
SIDE = 120
GRID = np.stack(np.meshgrid(*2 * [np.linspace(-2, 2, SIDE)]), axis=-1).reshape(-1, 2)
MARKS = {"markersize": 3.5, "markeredgecolor": "k", "markeredgewidth": 0.4}


def decision_surfaces(seeds: int = 5) -> Finding:
    """Linear and logistic regression divide the plane by one straight line, whatever the data, and only the latter's
    values are probabilities; a layer of sigmoid units bends the line, which pays where no line separates the classes
    and gains nothing where the best boundary is a line.

    Measures for each seed the share of 2,000 held-out points put right by the threshold 1/2 of least squares on the
    classes 0 and 1, of logistic regression, and of a network of 200 sigmoid units, all trained on 300 points; the same
    of the best of all lines in 180 directions, which knows the held-out points; the share of linear regression's values
    outside [0, 1]; and for overlapping Gaussian blobs the root mean square error of logistic regression's
    probabilities, also from 30,000 points, since with 300 the draw alone makes some 0.04. XOR is four equal squares: of
    each point and its three mirror images a line gets at most three right.

    Source: Minsky and Papert 1969, Perceptrons, MIT Press; Cybenko 1989, doi:10.1007/BF02551274; Hastie, Tibshirani and
    Friedman 2009, The Elements of Statistical Learning, Springer, chapters 2 and 4.
    """
    networks, _ = train(_network, _loss, seeds=seeds, steps=STEPS, rate=3e-2)
    measured, surfaces = {}, {}
    for name in SETS:
        runs = [_run(name, jax.tree.map(lambda leaf, k=seed: leaf[k], networks[name])) for seed in range(seeds)]
        measured[name] = {key: [facts[key] for facts, _ in runs] for key in runs[0][0]}
        surfaces[name] = runs[0][1]
    return Finding(measured, _checks(measured), {"surfaces": _draw(surfaces, measured)})


def _points(name: str, key: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
    """Points of one of the sets, and their classes 0 and 1, as likely as each other."""
    k_class, k_place, k_noise = jax.random.split(key, 3)
    classes = jax.random.bernoulli(k_class, 0.5, (count,)).astype(float)
    side, noise = 2 * classes - 1, jax.random.normal(k_noise, (count, 2))
    place = jax.random.uniform(k_place, (count, 2), minval=-1.0)
    if name == "blobs apart":
        points = jnp.outer(side, jnp.array([1.0, 0.5])) + 0.15 * noise
    elif name == "blobs overlapping":
        points = jnp.outer(side, jnp.array([SHIFT, 0.0])) + SPREAD * noise
    elif name == "moons":
        arc = jnp.pi * (place[:, 0] + 1) / 2
        upper, lower = (jnp.cos(arc) - 0.5, jnp.sin(arc) - 0.25), (0.5 - jnp.cos(arc), 0.25 - jnp.sin(arc))
        points = jnp.where(classes[:, None] > 0, jnp.stack(lower, axis=1), jnp.stack(upper, axis=1)) + 0.1 * noise
    elif name == "circles":
        turn = jnp.pi * place[:, 0]
        points = (1 - 0.5 * classes)[:, None] * jnp.stack([jnp.cos(turn), jnp.sin(turn)], axis=1) + 0.08 * noise
    else:
        points, classes = place + 0.1 * jnp.sign(place), (place[:, 0] * place[:, 1] > 0).astype(float)
    return points, classes


def _network(key: jax.Array) -> dict[str, tuple[Tower, jax.Array]]:
    """For each set a network, its weights large enough to bend, and the key of the points that it learns from."""
    keys = jax.random.split(key, (len(SETS), 2))
    build = lambda key: Tower((2, UNITS, 1), 1, activations.sigmoid, key, 5.0)
    return {name: (build(k_network), k_data) for name, (k_network, k_data) in zip(SETS, keys, strict=True)}


def _loss(networks: dict[str, tuple[Tower, jax.Array]]) -> jax.Array:
    """The sum of all sets' cross-entropies: as they share no weight, each network is trained as if alone."""

    def one(name: str, network: Tower, k_data: jax.Array) -> jax.Array:
        points, classes = _points(name, k_data, 300)
        return jnp.mean(jax.nn.softplus((1 - 2 * classes) * jax.vmap(network)(points)[:, 0]))

    return sum((one(name, *pair) for name, pair in networks.items()), jnp.zeros(()))


@eqx.filter_jit
def _probability(network: Tower, points: jax.Array) -> jax.Array:
    return jax.nn.sigmoid(jax.vmap(network)(points)[:, 0])


def _run(name: str, pair: tuple[Tower, jax.Array]) -> tuple[dict[str, float], list[np.ndarray]]:
    """What is measured on one set of one seed, and the three surfaces on the grid."""
    network, k_data = pair
    learnt = tuple(map(np.asarray, _points(name, k_data, 300)))
    points, classes = map(np.asarray, _points(name, jax.random.fold_in(k_data, 1), 2000))
    linear, logistic = lines.least_squares(*learnt), lines.logistic(*learnt)
    sigmoid = lambda z: 1 / (1 + np.exp(-z))
    curve = lambda x: np.asarray(_probability(network, x))
    surfaces = lambda x: [lines.heights(linear, x), sigmoid(lines.heights(logistic, x)), curve(x)]
    held_out = surfaces(points)
    facts = {m: float(np.mean((values > 0.5) == classes)) for m, values in zip(METHODS, held_out, strict=True)}
    facts["best line"] = lines.best_line(points, classes)
    facts[OUTSIDE] = float(np.mean(np.abs(held_out[0] - 0.5) > 0.5))
    if name == "blobs overlapping":
        true = sigmoid(2 * SHIFT * points[:, 0] / SPREAD**2)  # by Bayes' rule
        many = lines.logistic(*map(np.asarray, _points(name, jax.random.fold_in(k_data, 2), 30_000)))
        for key, line in ((ERROR, logistic), (MANY, many)):
            facts[key] = float(np.sqrt(np.mean((sigmoid(lines.heights(line, points)) - true) ** 2)))
    return facts, surfaces(GRID)


def _checks(measured: dict[str, dict]) -> dict[str, bool]:
    column = lambda key, *sets: np.array([measured[name][key] for name in sets])
    units, line, apart, over, bent = METHODS[2], "best line", SETS[0], SETS[1], SETS[2:]
    gain = lambda method, *sets: column(method, *sets) - column(line, *sets)
    rule = {
        "all three put 99 % of blobs apart right": [column(method, apart) >= 0.99 for method in METHODS],
        "on overlapping blobs both regressions come within 2 points of the best line": [
            gain(method, over) >= -0.02 for method in METHODS[:2]
        ],
        "there 200 sigmoid units do not beat it": gain(units, over) <= 0,
        "on moons, circles and XOR they beat it by 5 points": gain(units, *bent) > 0.05,
        "no line puts more than 79 % of XOR right": column(line, "XOR") <= 0.79,
        "logistic regression finds known probabilities to 0.01 from 30,000 points": column(MANY, over) < 0.01,
        "on overlapping blobs linear regression leaves [0, 1]": column(OUTSIDE, over) > 0,
    }
    return {part: bool(np.all(outcome)) for part, outcome in rule.items()}


def _draw(surfaces: dict[str, list[np.ndarray]], measured: dict[str, dict]) -> Figure:
    figure = Figure(figsize=(8.5, 12.5), layout="constrained")
    window = {"xlim": (-2, 2), "ylim": (-2, 2), "aspect": "equal"}
    panels = figure.subplots(len(SETS), 3, sharex=True, sharey=True, subplot_kw=window)
    x, y = GRID.T.reshape(2, SIDE, SIDE)
    for row, (name, three) in zip(panels, surfaces.items(), strict=True):
        points, classes = map(np.asarray, _points(name, jax.random.key(7), 200))
        for axes, method, values in zip(row, METHODS, three, strict=True):
            values = values.reshape(SIDE, SIDE)
            filled = axes.contourf(x, y, values, np.linspace(0, 1, 11), cmap="PuOr", extend="both", alpha=0.8)
            axes.contour(x, y, values, [0.5], colors="k", linewidths=2)
            for each, marker in ((0, "o"), (1, "^")):
                axes.plot(*points[classes == each].T, marker, color=filled.cmap(0.05 + 0.9 * each), **MARKS)
            accuracy = np.median(measured[name][method])
            axes.set_title(f"{method}\n{name}: {accuracy:.1%} right", fontsize=9)
        row[0].set_ylabel("$x_2$")
    for axes in panels[-1]:
        axes.set_xlabel("$x_1$")
    figure.colorbar(filled, ax=panels, shrink=0.4, label="value for class 1 (triangles); black: threshold 1/2")
    figure.suptitle("Regressions draw straight lines, sigmoid units bend them\n(median share of held-out points right)")
    return figure
