"""`scripts/contrast.py` for a few steps: the refusal, the table with its gradients, and the figure."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

SCRIPT = Path(__file__).parent.parent / "scripts" / "contrast.py"


@pytest.mark.slow
def test_relu_is_refused_then_trained_without_seeing_its_second_derivatives(tmp_path, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("contrast", SCRIPT)
    contrast = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(contrast)
    words = ["--problems", "poisson", "--activations", "relu,tanh", "--steps", "2", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["contrast.py", *words])
    contrast.main()
    printed = capsys.readouterr().out
    assert "poisson, relu: refused: 'poisson' takes u.xx, but a network with relu is C^0" in printed
    assert "tanh: refused" not in printed
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.splitlines() if line.startswith("|")]
    relu, tanh = (dict(zip(table[0], line, strict=True)) for line in table[2:])
    assert (relu["activation"], tanh["activation"]) == ("relu", "tanh")
    assert relu["gradient, network"] == "0"
    assert float(tanh["gradient, network"]) > 0
    # Derivatives of the factor that vanishes on the walls let training see the network's lower derivatives.
    assert float(relu["gradient, field"]) > 0
    assert relu["parameters"] == tanh["parameters"]
    assert relu["steps"] == tanh["steps"] == "2"
    rows = json.loads((tmp_path / "contrast.json").read_text())
    assert rows[0]["gradient, network"] == 0.0 < rows[1]["gradient, network"]
    assert rows[0]["refusal"] in (tmp_path / "contrast.md").read_text()
    picture = imread(tmp_path / "contrast_poisson.png")
    assert picture.shape[1] == 1200 and np.ptp(picture[..., :3]) > 0.9
