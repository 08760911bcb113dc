"""The atlas: what an entry must say, how its verdict is decided, and that a run of entries loses nothing."""

import json
import re
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure

from pinnact import activations, library
from pinnact.atlas import Entry, Finding, Tower, measure, train, unit_gain, write

ROOT = Path(__file__).resolve().parent.parent
ENTRIES = sorted((ROOT / "problems" / "activations").glob("*.py"))


def fine(seeds=5):
    """Water is wet.

    Source: everybody."""
    figure = Figure(figsize=(1, 1))
    figure.add_subplot()
    return Finding({"a": {"x": 1.0}, "b": {"x": [2.0, 3.0]}}, {"a < b": True, "b < a": False}, {"both": figure})


def broken(seeds=5):
    """It never ends well.

    Source: experience."""
    raise RuntimeError("the reactor <melted>")


def lacking(seeds=5):
    """It needs what is not here.

    Source: a shop."""
    raise ImportError("install `pinnact[atlas]`")


@pytest.mark.parametrize(("checks", "verdict"), [((True, True), "yes"), ((True, False), "partly"), ((False,), "no")])
def test_the_verdict_follows_from_the_checks(checks, verdict):
    assert Finding({}, {str(i): outcome for i, outcome in enumerate(checks)}).holds == verdict


def test_a_finding_must_check_something():
    with pytest.raises(ValueError, match="decides nothing"):
        _ = Finding({}, {}).holds


def test_an_entry_states_claim_and_source():
    entry = Entry.of(fine)
    assert (entry.name, entry.claim, entry.source) == ("fine", "Water is wet.", "everybody.")
    with pytest.raises(ValueError, match="Source"):
        Entry.of(lambda seeds: None)


def test_a_run_keeps_going_and_its_page_needs_no_other_file(tmp_path):
    told = []
    records = measure([Entry.of(f) for f in (broken, lacking, fine)], tmp_path, 5, told.append)
    write(records, tmp_path)
    assert [record["holds"] for record in records] == ["failed", "skipped", "partly"] and len(told) == 3
    assert json.loads((tmp_path / "atlas.json").read_text())[2]["measured"]["b"]["x"] == [2.0, 3.0]
    assert set(records[2]) >= {"name", "claim", "source", "measured", "holds", "rule", "figures", "seconds"}
    assert (tmp_path / "fine.png").is_file()
    page = (tmp_path / "index.html").read_text()
    assert "&lt;melted&gt;" in page and "<melted>" not in page
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []
    assert "| a | 1 |" in (tmp_path / "atlas.md").read_text()


@pytest.mark.parametrize("path", ENTRIES, ids=lambda path: path.stem)
def test_a_shipped_entry_can_be_listed(path):
    assert Entry.of(library.load(path)).name == path.stem


@pytest.mark.slow
@pytest.mark.parametrize("path", ENTRIES, ids=lambda path: path.stem)
def test_a_shipped_entry_runs_in_90_seconds(path, tmp_path):
    record = measure([Entry.of(library.load(path))], tmp_path, 5, print)[0]
    assert record["holds"] in ("yes", "partly", "no"), record["rule"]
    assert record["seconds"] < 90 and record["figures"]


@pytest.mark.parametrize("depth", [1, 4])
def test_a_tower_is_the_composition_of_its_layers(depth):
    tower = Tower((2, 8, 3), depth, activations.tanh, jax.random.key(0))
    x = jnp.array([0.3, -0.7])
    h = np.tanh(np.asarray(tower.first[0]) @ x + tower.first[1])
    for weight, bias in zip(*map(np.asarray, tower.hidden), strict=True):
        h = np.tanh(weight @ h + bias)
    np.testing.assert_allclose(tower(x), np.asarray(tower.last[0]) @ h, rtol=1e-12)
    assert tower.units(x).shape == (depth, 8)


def test_the_gain_is_that_of_he_for_relu_and_keeps_the_mean_square():
    assert unit_gain(activations.relu) == pytest.approx(2**0.5, rel=1e-10)
    z = np.random.default_rng(0).standard_normal(1_000_000)
    gain = unit_gain(activations.gelu)
    assert np.mean((gain * np.asarray(activations.gelu(z))) ** 2) == pytest.approx(1, rel=1e-2)


def test_seeds_trained_together_end_where_each_ends_alone():
    """Least squares has one minimum, and every seed of a linear model finds it."""
    x = jnp.linspace(-1, 1, 20)
    loss = lambda model: jnp.mean((model.weight[0, 0] * x + model.bias[0] - 3 * x + 1) ** 2)
    models, losses = train(lambda key: eqx.nn.Linear(1, 1, key=key), loss, seeds=3, steps=800, rate=0.05)
    np.testing.assert_allclose(models.weight[:, 0, 0], 3, atol=1e-4)
    np.testing.assert_allclose(models.bias[:, 0], -1, atol=1e-4)
    assert losses.shape == (3, 800)


def test_every_seed_is_trained_on_its_own_data():
    x, slopes = jnp.linspace(-1, 1, 20), jnp.array([1.0, -2.0])
    loss = lambda model, y: jnp.mean((model.weight[0, 0] * x - y) ** 2)
    build = lambda key: eqx.nn.Linear(1, 1, use_bias=False, key=key)
    models, _ = train(build, loss, seeds=2, steps=400, rate=0.05, data=(slopes[:, None] * x[None],))
    np.testing.assert_allclose(models.weight[:, 0, 0], slopes, atol=1e-4)
