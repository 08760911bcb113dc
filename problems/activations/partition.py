"""The polygons on which a ReLU network is affine, all of them."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from mpl_toolkits.mplot3d.art3d import Poly3DCollection

from pinnact import activations
from pinnact.atlas import Finding, Tower, crossings, linear_regions, most_regions, train

UNITS, STEPS = 16, 3000
TOP, WIDTH = np.array([0.4, 0.3]), 0.25  # of the hill; it bends within two widths of its top
NAMES = {1: f"1 layer of {UNITS}", 2: f"2 layers of {UNITS // 2}"}
GRID = np.stack(np.meshgrid(*2 * [(np.arange(400) + 0.5) / 200 - 1]), axis=-1).reshape(-1, 2)


def partition(seeds: int = 5) -> Finding:
    """A ReLU network cuts the plane into convex polygons and is affine on each; n units of one layer make at most
    1 + n + n (n - 1) / 2 of them, and training moves the cuts to where the data bend.

    Counts the polygons in [-1, 1]^2 exactly, by cutting them layer by layer, for 16 units in one layer or in two, at
    the start and after 3,000 steps of Adam on 400 points of a hill; for the one layer also in a box that holds all
    crossings of its lines. Compares with the patterns of units that a grid of 400 x 400 points meets, with the network
    at the corners, and with the distinct affine maps; gives the share of the polygons whose witness point lies on the
    hill, a fifth of the box, and the fit's error. At the start the first layer's lines pass through random points.

    Source: Zaslavsky 1975, Memoirs of the AMS 154; Montufar, Pascanu, Cho and Bengio 2014, arXiv:1402.1869; Hanin and
    Rolnick 2019, arXiv:1906.00904.
    """
    measured: dict[str, dict] = {}
    drawn = {}
    for depth, name in NAMES.items():
        build = partial(_network, depth)
        started = eqx.filter_vmap(build)(jax.random.split(jax.random.key(0), seeds))
        trained, _ = train(build, _loss, seeds=seeds, steps=STEPS, rate=1e-2)
        for moment, networks in (("at the start", started), ("trained", trained)):
            each = [jax.tree.map(lambda leaf, k=seed: leaf[k], networks) for seed in range(seeds)]
            found = [_facts(network) for network in each]
            measured[f"{name}, {moment}"] = {key: [row[key] for row in found] for key in found[0]}
            drawn[depth, moment] = each[0]
    return Finding(measured, _checks(measured), {"regions": _draw_regions(drawn), "surfaces": _draw_surfaces(drawn)})


def _network(depth: int, key: jax.Array) -> Tower:
    """He's weights; biases for which each line of the first layer passes through a random point of the box."""
    k_network, k_points = jax.random.split(key)
    network = Tower((2, UNITS // depth, 1), depth, activations.relu, k_network, 2**0.5)
    points = jax.random.uniform(k_points, network.first[0].shape, minval=-1.0)
    return eqx.tree_at(lambda tower: tower.first[1], network, -jnp.sum(network.first[0] * points, axis=1))


def _hill(x: jax.Array) -> jax.Array:
    return jnp.exp(-jnp.sum((x - TOP) ** 2, axis=-1) / (2 * WIDTH**2))


def _loss(network: Tower) -> jax.Array:
    points = jax.random.uniform(jax.random.key(1), (400, 2), minval=-1.0)
    return jnp.mean((jax.vmap(network)(points)[:, 0] - _hill(points)) ** 2)


@eqx.filter_jit
def _answers(network: Tower, points: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Which units are on at each point, and the outputs there."""
    units = jax.vmap(network.units)(points)
    return units.reshape(len(points), -1) > 0, jax.vmap(network)(points)[:, 0]


def _facts(network: Tower) -> dict[str, object]:
    layers = network.layers()
    regions = linear_regions(layers)
    witnesses = np.array([region.witness for region in regions])
    corners = np.concatenate([region.corners for region in regions])
    affine = np.concatenate([(r.corners @ r.weight.T + r.bias)[:, 0] for r in regions])
    # How many regions there are varies; points of one shape in all take one compilation.
    points = np.resize(np.concatenate([GRID, witnesses, corners]), (len(GRID) + 10_000, 2))
    on, outputs = map(np.asarray, _answers(network, points))
    at_witness, at_corners = len(GRID) + np.arange(len(regions)), len(GRID) + len(regions) + np.arange(len(corners))
    own = {r.pattern for r, units in zip(regions, on[at_witness].tolist(), strict=True) if r.pattern == tuple(units)}
    facts = {
        "regions": len(regions),
        "with a pattern of their own": len(own),
        "patterns on a grid": len(np.unique(np.packbits(on[: len(GRID)], axis=1), axis=0)),
        "distinct maps": len(np.unique([np.round([*r.weight[0], r.bias[0]], 9) for r in regions], axis=0)),
        "off the map": float(np.abs(outputs[at_corners] - affine).max()),
        "share on the hill": float(np.mean(np.linalg.norm(witnesses - TOP, axis=1) < 2 * WIDTH)),
        "relative error": float(np.linalg.norm(outputs[: len(GRID)] - _hill(GRID)) / np.linalg.norm(_hill(GRID))),
    }
    if len(layers) == 2:
        facts["in a large box"] = len(linear_regions(layers, 2 + 2 * np.abs(crossings(*layers[0])).max()))
    return facts


def _checks(measured: dict[str, dict]) -> dict[str, bool]:
    column = lambda key: np.array([row[key] for row in measured.values() if key in row])
    regions, share, large = column("regions"), column("share on the hill"), column("in a large box")
    most = most_regions(UNITS)
    rule = {
        "each polygon has a pattern of its own at its witness": column("with a pattern of their own") == regions,
        "a grid never meets more patterns than were counted": column("patterns on a grid") <= regions,
        "the network is the polygon's affine map at the corners, to 1e-12": column("off the map") < 1e-12,
        f"one layer has at most {most} regions in the box": regions[: len(large)] <= most,
        f"in a large box it has exactly {most}": large == most,
        "training raises the share of the regions on the hill, for each seed": share[1::2] > share[::2],
    }
    return {part: bool(np.all(outcome)) for part, outcome in rule.items()}


def _draw_regions(networks: dict[tuple[int, str], Tower]) -> Figure:
    figure = Figure(figsize=(9, 8.6), layout="constrained")
    look = {"xlim": (-1, 1), "ylim": (-1, 1), "aspect": "equal", "xlabel": "input $x_1$", "ylabel": "input $x_2$"}
    panels = figure.subplots(2, 2, subplot_kw=look)
    for axes, ((depth, moment), network) in zip(panels.flat, networks.items(), strict=True):
        regions = linear_regions(network.layers())
        steepness = np.array([np.linalg.norm(region.weight) for region in regions])
        cells = PolyCollection([region.corners for region in regions], array=steepness, cmap="YlGnBu", clim=(0, 4))
        axes.add_collection(cells).set(edgecolor="0.3", linewidth=0.6)
        axes.plot(*np.array([region.witness for region in regions]).T, "k.", markersize=2, label="witness of a region")
        weight, bias = map(np.asarray, network.first)
        feet = -(bias / np.sum(weight**2, axis=1))[:, None] * weight  # of the perpendiculars from the origin
        axes.quiver(*feet.T, *weight.T, scale=12, width=0.007, color="#d55e00", label="weights of a unit of layer 1")
        axes.add_patch(Circle(tuple(TOP), 2 * WIDTH, fill=False, linestyle="--", linewidth=2, label="the hill"))
        axes.set_title(f"{NAMES[depth]}, {moment}: {len(regions)} regions")
    panels[0, 1].legend(fontsize=7, loc="lower left")
    figure.colorbar(cells, ax=panels, shrink=0.6, extend="max", label="steepness of the affine map of a region")
    figure.suptitle("The regions on which ReLU networks are affine, before and after training on a hill")
    return figure


def _draw_surfaces(networks: dict[tuple[int, str], Tower]) -> Figure:
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    look = {"projection": "3d", "zlim": (-0.1, 1), "xlabel": "input $x_1$", "ylabel": "input $x_2$"}
    panels = figure.subplots(1, 3, subplot_kw=look)
    x = GRID.reshape(400, 400, 2)[::10, ::10]
    panels[0].plot_surface(x[..., 0], x[..., 1], np.asarray(_hill(x)), cmap="YlGnBu", clim=(0, 1))
    panels[0].set_title("the hill to learn", fontsize=9)
    for axes, (depth, name) in zip(panels[1:], NAMES.items(), strict=True):
        regions = linear_regions(networks[depth, "trained"].layers())
        facets = [np.column_stack([r.corners, r.corners @ r.weight.T + r.bias]) for r in regions]
        cells = Poly3DCollection(facets, array=[facet[:, 2].mean() for facet in facets], cmap="YlGnBu", clim=(0, 1))
        axes.add_collection3d(cells).set(edgecolor="0.3", linewidth=0.4)
        axes.set_title(f"{name}, trained: {len(regions)} facets", fontsize=9)
    figure.suptitle("The output over both inputs: a ReLU network's surface is made of flat facets")
    return figure
