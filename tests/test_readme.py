"""The README's Python examples run, in order, and say what they promise."""

import re
from pathlib import Path

import matplotlib.figure
import pytest

README = Path(__file__).parent.parent / "README.md"


def test_the_examples_run(capsys, monkeypatch):
    monkeypatch.chdir(README.parent)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 4
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    assert names["solution"].error()["u"] < 1e-4
    assert isinstance(names["figure"], matplotlib.figure.Figure)
    assert names["found"].unknowns["diffusivity"] == pytest.approx(0.25, rel=1e-3)
    assert "'heat' takes u.xx, but a network with relu is C^0" in capsys.readouterr().out
    assert names["surface"].errors(names["test"])["force_mae_mev_per_angstrom"] < 400  # of 850, after 200 steps
    assert names["mine"].smoothness == float("inf")


def test_the_table_of_activations_is_the_catalogue():
    """Every activation stands in the row of its own smoothness."""
    from pinnact import activations  # noqa: PLC0415

    rows = dict(re.findall(r"^\| (C\^inf|C\^1|C\^0|jumps) \| (.*) \|$", README.read_text(), re.MULTILINE))
    said = {"C^inf": float("inf"), "C^1": 1, "C^0": 0, "jumps": -1}
    listed = {name: said[row] for row, names in rows.items() for name in re.findall(r"[a-z_]{3,}", names)}
    for name in activations.names():
        if not name.startswith(("relu_power", "bspline")):
            assert listed[name] == activations.get(name).smoothness, name
