"""What small machines compute instead of tanh: lines, polynomials, words of few bits, and one file of C."""

import time
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from pinnact import MLP, activations
from pinnact.atlas import Finding, train
from pinnact.c_source import compiler
from pinnact.export import c_source
from pinnact.fixed_point import in_words, word
from pinnact.networks import Inputs

NAMES, LINES, DEGREES, BITS = ("tanh", "sigmoid"), (2, 4, 8, 16, 32, 64), (3, 5, 7, 9), (8, 16)
FORMS = {f"{n} lines": {"segments": n} for n in LINES} | {f"degree {n}": {"degree": n} for n in DEGREES}
CHOSEN = ("16 lines", "degree 9")
SQUARE = Inputs({"x": (-1, 1), "y": (-1, 1)})
X = np.linspace(-8, 8, 16_001)
TARGET = lambda p: jnp.sin(3 * p[:, 0]) * jnp.cos(2 * p[:, 1])
_network = lambda f, key: MLP(16, 2, f).build(SQUARE, 1, key)
_loss = lambda network: jnp.mean((jax.vmap(network)(POINTS)[:, 0] - TARGET(POINTS)) ** 2)
POINTS, TESTS = (np.random.default_rng(k).uniform(-1, 1, (n, 2)) for k, n in ((0, 400), (1, 2000)))


def tiny_hardware(seeds: int = 5) -> Finding:
    """tanh and sigmoid need no exponential on a small machine: 16 lines or a polynomial of degree 9 replace them in a
    trained network for less than 1 % of its output, in words of 16 bits too; with 8 bits the words cost more than the
    stand-in. As one file of C the network agrees with JAX and runs faster than with the functions of math.h.

    Measures, of best lines and best polynomials, the largest error; multiplications and stored numbers; the relative L2
    error on 2,000 points of networks of two layers of 16 trained on sin(3x) cos(2y) with the function itself, after
    the exchange alone and with weights, values and tables rounded to words of 8 and 16 bits, each array scaled by a
    power of two, sums kept exact; and of the compiled C the difference to JAX and nanoseconds a point (best of 30).
    Networks of tanh lose 1 to 3 %, more than those of sigmoid, and an expf takes no longer than a degree of 9.

    Source: Amin, Curtis and Hayes-Gill 1997, doi:10.1049/ip-cds:19971587; Cheney 1966, Introduction to Approximation
    Theory, McGraw-Hill.
    """
    measured: dict[str, dict] = {}
    for name in NAMES:
        exact = activations.get(name)
        networks, _ = train(partial(_network, exact), _loss, seeds=seeds, steps=4000, rate=1e-2)
        stand_ins = {"itself": exact} | {form: activations.approximate(exact, **how) for form, how in FORMS.items()}
        for form, f in stand_ins.items():
            row = {"largest error": float(np.abs(f(X) - exact(X)).max())}
            row |= {fact: getattr(f.f, fact, None) for fact in ("products", "stored")}
            row |= {f"{bits} bits" if bits else "network": _errors(networks, f, bits) for bits in (None, *BITS)}
            measured[f"{name}, {form}"] = row | _compiled(eqx.tree_at(lambda n: n.activations, networks, (f, f)))
    return Finding(measured, _checks(measured), {"trade": _draw(measured)})


def _errors(networks: eqx.Module, f: activations.Activation, bits: int | None) -> list[float]:
    """Relative L2 errors, by seed, of networks whose activation is `f`, computed in words of `bits`."""
    rounded, target, errors = in_words(f, bits), np.asarray(TARGET(TESTS)), []
    for seed in range(len(networks.layers[0].bias)):
        h = TESTS
        for layer in networks.layers:
            weight, bias = (np.asarray(a[seed]) for a in (layer.weight, layer.bias))
            h = word(h, bits) @ word(weight, bits).T + word(bias, bits)
            h = h if layer is networks.layers[-1] else rounded(h)
        errors.append(float(np.linalg.norm(h[:, 0] - target) / np.linalg.norm(target)))
    return errors


def _compiled(networks: eqx.Module) -> dict[str, float | None]:
    """Of the first network in C: the largest difference to JAX, what its comment promises, nanoseconds a point."""
    if compiler() is None:
        return {"C off by": None, "C promises": None, "ns": None}
    network = jax.tree.map(lambda a: a[0] if eqx.is_array(a) else a, networks)
    source = c_source(network)
    run, points, times = source.compiled(), TESTS.astype(np.float32), []
    off = np.abs(run(points) - np.asarray(jax.vmap(network)(points.astype(float)))).max()
    for _ in range(30):
        began = time.perf_counter()
        run(points)
        times.append(time.perf_counter() - began)
    return {"C off by": float(off), "C promises": source.error, "ns": 1e9 * min(times) / len(points)}


def _checks(measured: dict[str, dict]) -> dict[str, bool]:
    middle = lambda row, key: float(np.median(measured[row][key]))
    both = [(f"{name}, {form}", f"{name}, itself", 2.0 if name == "tanh" else 1.0) for name in NAMES for form in CHOSEN]
    fewer = [(f"{name}, {n} lines", f"{name}, {2 * n} lines") for name in NAMES for n in LINES[:-1]]
    found = {
        "16 lines and degree 9 are within 1 % of the range of values": all(
            measured[row]["largest error"] < 0.01 * span for row, _, span in both
        ),
        "twice the lines halve the error or better": all(
            measured[more]["largest error"] <= measured[few]["largest error"] / 2 for few, more in fewer
        ),
        "in trained networks they cost less than 1 % of the output": all(
            middle(row, "network") - middle(exact, "network") < 0.01 for row, exact, _ in both
        ),
        "words of 16 bits cost less than another 0.1 %": all(
            middle(row, "16 bits") - middle(row, "network") < 0.001 for row, _, _ in both
        ),
        "words of 8 bits cost more than the stand-in": all(
            middle(row, "8 bits") - middle(row, "network") > middle(row, "network") - middle(exact, "network")
            for row, exact, _ in both
        ),
    }
    if all(row["ns"] is not None for row in measured.values()):
        found["compiled C agrees with JAX to the stated error"] = all(
            row["C off by"] <= row["C promises"] for row in measured.values()
        )
        found["in C 16 lines and degree 9 are faster than math.h"] = all(
            measured[row]["ns"] < measured[exact]["ns"] for row, exact, _ in both
        )
    return found


def _draw(measured: dict[str, dict]) -> Figure:
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    above, below = figure.subplots(2, 2)
    forms = ["itself", *FORMS]
    for axes, name in zip(above, NAMES, strict=True):
        for key, style in (("network", "C0o"), ("16 bits", "C2x"), ("8 bits", "C1^")):
            all_seeds = np.array([measured[f"{name}, {form}"][key] for form in forms])
            label = "float64" if key == "network" else f"words of {key}"
            axes.semilogy(np.median(all_seeds, axis=1), style, markersize=7, fillstyle="none", label=label)
            axes.vlines(range(len(forms)), all_seeds.min(1), all_seeds.max(1), style[:2], alpha=0.35)
        axes.set_xticks(range(len(forms)), forms, rotation=60, fontsize=8)
        axes.set(
            title=f"Networks trained with {name}, run with a stand-in",
            ylabel="relative L2 error, all seeds",
            ylim=(0.02, 2),
        )
    for (name, marker), colour in zip((("tanh", "o"), ("sigmoid", "s")), ("C0", "C3"), strict=True):
        rows = [measured[f"{name}, {form}"] for form in forms]
        for part, line, kind in ((slice(1, 7), "-", "lines"), (slice(7, None), "--", "polynomial")):
            stored, off = ([row[key] for row in rows[part]] for key in ("stored", "largest error"))
            below[0].loglog(stored, off, line + marker, color=colour, markersize=5, label=f"{name}, {kind}")
        if rows[0]["ns"] is not None:
            below[1].plot([row["ns"] for row in rows], marker, color=colour, label=f"{name} network")
    below[0].set(title="What a stand-in costs and gives", xlabel="stored numbers", ylabel="largest error")
    below[1].set_xticks(range(len(forms)), forms, rotation=60, fontsize=8)
    below[1].set(title="Compiled C, network of 2 layers of 16", ylabel="nanoseconds a point", ylim=(0, None))
    for axes in figure.axes:
        axes.grid(alpha=0.3, linewidth=0.5)
        axes.legend(fontsize=8)
    return figure
