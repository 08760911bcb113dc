"""The command line: what a run writes, what it says, and how it ends."""

import csv
import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import jax
import numpy as np
import pytest
from matplotlib import image

import pinnact as pn
from pinnact import cli, library
from pinnact.history import History

ROOT = Path(__file__).resolve().parent.parent
KEYS = {
    "problem", "activation", "network", "parameters", "optimiser", "seed", "precision", "device", "seconds", "steps",
    "loss", "relative_l2", "max_error", "unknowns", "stopped", "versions",
}  # fmt: skip

# u' = -rate u, u(0) = start: the quickest problem there is.
DECAY = """
import jax.numpy as jnp
import numpy as np
import pinnact as pn

def decay(rate=1.0, start=1.0):
    domain = pn.Time(t=(0, 1))
    return pn.Problem(
        domain,
        coefficients={"rate": rate},
        equations={"decay": lambda u, rate: u.t + rate * u},
        conditions={"start": pn.On(domain.initial, lambda u: u - start)},
        reference=lambda t: start * np.exp(-t),
        name="decay",
    )
"""
SMALL = ("--width", "6", "--depth", "1", "--quiet")


@pytest.fixture
def decay(tmp_path):
    """The file of a user's own problem, somewhere on disk."""
    path = tmp_path / "anywhere" / "decay.py"
    path.parent.mkdir()
    path.write_text(DECAY)
    return path


def process(*arguments, folder):
    """The command in a process of its own, its output piped."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pinnact", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300)


def summary(folder):
    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads((folder / "summary.json").read_text(), parse_constant=refuse)


def test_a_run_writes_its_folder(tmp_path):
    """The main job, as a user has it: every file, every key, lines that are neither coloured nor wrapped."""
    out = tmp_path / ("a-long-name-" * 8) / "run"
    ran = process(
        "solve",
        ROOT / "problems/pde/burgers.py",
        "--steps",
        30,
        "--width",
        8,
        "--depth",
        1,
        "--out",
        out,
        folder=tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
    assert "\x1b" not in ran.stderr + ran.stdout
    assert f"relative L2 error: u {summary(out)['relative_l2']['u']:.2e}; 30 steps" in ran.stderr
    assert any(line.startswith("relative L2") and line.endswith(str(out)) for line in ran.stderr.splitlines())
    assert any(re.match(r"step 30 .* loss .* error .* steps/s .* s left$", line) for line in ran.stderr.splitlines())
    assert "walls" in ran.stderr and "built in" in ran.stderr

    found = summary(out)
    assert set(found) >= KEYS
    assert found["problem"] == "burgers" and found["activation"] == "tanh" and found["seed"] == 0
    assert found["steps"] == 30 and found["stopped"] == "steps" and found["precision"] == "float64"
    assert set(found["relative_l2"]) == set(found["max_error"]) == {"u"}
    assert 0 < found["relative_l2"]["u"] < 1 and found["seconds"] > 0 and found["parameters"] > 30
    assert found["unknowns"] == {} and "jax" in found["versions"]

    rows = list(csv.DictReader((out / "history.csv").read_text().splitlines()))
    assert list(rows[0]) == ["step", "seconds", "loss", "momentum", "error"]  # walls and start are built in
    assert rows[-1]["step"] == "30" and float(rows[-1]["loss"]) == pytest.approx(found["loss"], rel=1e-8)
    assert float(rows[-1]["error"]) == pytest.approx(found["relative_l2"]["u"], rel=1e-6)
    assert all(float(a["seconds"]) <= float(b["seconds"]) for a, b in pairwise(rows))
    assert image.imread(out / "solution.png").std() > 0.01
    spec = cli.library.make(ROOT / "problems/pde/burgers.py", {})
    assert pn.load(out, spec).error()["u"] == pytest.approx(found["relative_l2"]["u"], rel=1e-9)


def test_bad_input_in_a_process_of_its_own(tmp_path):
    ran = process("solve", "pde/burgers", "--activation", "relu", "--out", "run", folder=tmp_path)
    assert ran.returncode == 2 and ran.stdout == "" and not (tmp_path / "run").exists()
    assert ran.stderr == (
        "pinnact: 'momentum' takes u.xx, but a network with relu is C^0: its second derivative is 0 almost everywhere, "
        "so training cannot see that term. Use tanh, gelu, silu, sin, softplus ..., or pass allow_rough=True "
        "(--allow-rough) to watch it fail.\n"
    )


def test_a_file_of_ones_own_with_arguments(pinnact, decay, tmp_path):
    code, out, err = pinnact("solve", decay, "--set", "start=3", "--steps", 40, "--seed", 2, "--out", "run", *SMALL)
    assert (code, out, err) == (0, "", "")
    found = summary(tmp_path / "run")
    assert found["problem"] == "decay" and found["seed"] == 2 and found["network"] == "MLP 1x6"
    assert found["relative_l2"]["u"] < 1e-3
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "checkpoints", "history.csv", "solution.eqx", "solution.png", "summary.json",
    ]  # fmt: skip


def test_without_out_each_run_has_a_folder_of_its_own(pinnact, decay, tmp_path):
    for _ in range(2):
        assert pinnact("solve", decay, "--steps", 2, *SMALL)[0] == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["decay", "decay-2"]


def test_a_name_is_looked_up_here_first(pinnact, tmp_path):
    (tmp_path / "problems" / "own").mkdir(parents=True)
    (tmp_path / "problems" / "own" / "decay.py").write_text(DECAY)
    (tmp_path / "problems" / "own" / "_helper.py").write_text("")
    code, out, _ = pinnact("problems")
    assert code == 0 and {"own/decay", "pde/burgers", "pde/poisson"} <= set(out.split()) and "_helper" not in out
    options = (
        "--no-hard",
        "--precision",
        "float32",
        "--engine",
        "hessian",
        "--optimiser",
        "adam",
        "--activation",
        "gelu",
    )
    assert pinnact("solve", "own/decay", "--steps", 3, "--out", "run", *options, *SMALL)[0] == 0
    found = summary(tmp_path / "run")
    assert (found["optimiser"], found["precision"], found["activation"]) == ("adam", "float32", "gelu")
    assert History.read(tmp_path / "run" / "history.csv").names == ("decay", "start")  # nothing is built in


@pytest.mark.slow
def test_the_dimension_is_an_argument(pinnact, tmp_path):
    arguments = ("--set", "dimension=4", "--set", "solution=cos_sum")
    assert pinnact("solve", "pde/poisson", *arguments, "--steps", 1, "--out", "run", *SMALL)[0] == 0
    assert summary(tmp_path / "run")["parameters"] == 6 * 4 + 6 + 6 + 1


def test_a_coefficient_is_inferred_from_a_table(pinnact, decay, tmp_path):
    times = np.linspace(0.0, 1.0, 30)
    lines = ["# t, u", *(f"{t}, {np.exp(-t)}" for t in times), "# the end", ""]
    (tmp_path / "speeds.csv").write_text("\n".join(lines))
    data = ("--infer", "rate=positive:3", "--observe", "speeds.csv")
    code, _, err = pinnact("solve", decay, *data, "--steps", 150, "--out", "run", "--width", 6, "--depth", 1)
    assert code == 0 and re.search(r"^rate = 0\.99|^rate = 1\.0", err, re.MULTILINE)
    found = summary(tmp_path / "run")
    assert found["unknowns"]["rate"] == pytest.approx(1.0, abs=1e-2)
    history = History.read(tmp_path / "run" / "history.csv")
    assert history.names == ("decay", "data") and history.inferred == ("rate",)
    assert history.column("rate")[0] == 3.0 and history.column("rate")[-1] == pytest.approx(1.0, abs=1e-2)
    problem = library.load(Path(decay))()
    with pytest.raises(ValueError, match=r"the problem that was solved, with infer\(rate=...\)"):
        pn.load(tmp_path / "run", problem)


def test_complex_and_vector_unknowns_are_observed_by_component(tmp_path):
    problem = pn.Problem(
        pn.Time(t=(0, 1)), unknowns={"h": complex, "v": 2}, equations={"one": lambda h: h.t}, name="parts"
    )
    (tmp_path / "data.csv").write_text("t,h_real,h_imag,v_1,v_2\n0,1,2,3,4\n1,5,6,7,8\n")
    observed = cli._observed(problem, tmp_path / "data.csv").observations[0]
    assert np.array_equal(observed.values["h"], [1 + 2j, 5 + 6j])
    assert np.array_equal(observed.values["v"], [[3, 4], [7, 8]])
    (tmp_path / "half.csv").write_text("t,h_real\n0,1\n")
    with pytest.raises(ValueError, match="no column 'h_imag'"):
        cli._observed(problem, tmp_path / "half.csv")


def test_a_rough_network_is_trained_when_asked_for(pinnact, tmp_path):
    rough = ("--activation", "relu", "--allow-rough", "--steps", 1, "--out", "run", *SMALL)
    with pytest.warns(pn.SmoothnessWarning, match="relu"):
        assert pinnact("solve", "pde/poisson", "--set", "dimension=1", *rough)[0] == 0
    assert summary(tmp_path / "run")["activation"] == "relu"


def test_training_that_leaves_the_finite_numbers(pinnact, tmp_path):
    """Nothing is finite above u = 2, and Adam goes there: exit 3, the folder holds the last good state."""
    (tmp_path / "edge.py").write_text(
        DECAY.replace("def decay", "def edge").replace("u.t + rate * u", "u.value - 3 + 0 * jnp.sqrt(2 - u.value)")
    )
    options = ("--optimiser", "adam", "--steps", 3000, "--no-hard", "--set", "start=0", "--out", "run")
    code, _, err = pinnact("solve", "edge.py", *options, "--width", 6, "--depth", 1)
    assert code == 3 and "without a finite solution; the last good state is in run" in err
    found = summary(tmp_path / "run")
    assert found["stopped"] == "not finite" and np.isfinite(found["loss"]) and 0 < found["steps"] < 3000
    problem = cli.library.make(tmp_path / "edge.py", {"start": 0})
    solution = pn.load(tmp_path / "run", problem)
    assert np.all(np.isfinite(solution(t=np.linspace(0, 1, 50))))
    assert solution.history.rows[-1]["step"] == found["steps"]


def test_never_finite_at_all(pinnact, decay, tmp_path):
    text = DECAY.replace("def decay", "def never").replace("u.t + rate * u", "jnp.sqrt(u.value - 1e6)")
    (tmp_path / "never.py").write_text(text)
    code, _, err = pinnact("solve", "never.py", "--steps", 5, "--out", "run", *SMALL)
    assert code == 3 and err.count("\n") == 1
    found = summary(tmp_path / "run")
    assert found["steps"] == 0 and found["loss"] is None and (tmp_path / "run" / "solution.png").exists()


def test_an_interrupted_run_is_written(pinnact, decay, tmp_path, monkeypatch):
    append = History.append

    def interrupt(self, step, *rest):
        append(self, step, *rest)
        if step >= 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(History, "append", interrupt)
    code, _, _ = pinnact("solve", decay, "--budget", 100, "--no-correct", "--out", "run", *SMALL)
    found = summary(tmp_path / "run")
    assert code == 130 and found["stopped"] == "interrupted" and found["steps"] >= 5
    assert found["seconds"] < 60 and found["relative_l2"]["u"] < 1


def test_an_interrupt_before_training(pinnact, decay, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "solve_problem", interrupt)
    assert pinnact("solve", decay, "--out", "run")[0] == 130
    assert not (tmp_path / "run").exists()


def test_running_out_of_memory_is_one_line(pinnact, decay, monkeypatch):
    def full(*_, **__):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory\nmore lines")

    monkeypatch.setattr(cli, "solve_problem", full)
    code, _, err = pinnact("solve", decay, "--out", "run")
    assert code == 1 and err.count("\n") == 1 and "Out of memory: take a smaller network" in err


def test_the_version(pinnact):
    assert pinnact("--version") == (0, f"pinnact {pn.__version__}\n", "")


def test_a_file_may_hold_more_than_its_problem(pinnact, tmp_path):
    """The function that takes no arguments makes the problem, and names it where it has no name of its own."""
    text = """
import jax.numpy as jnp
import pinnact as pn

exact = lambda t: jnp.exp(-t)

def decay(rate=1.0):
    domain = pn.Time(t=(0, 1))
    start = pn.On(domain.initial, lambda u: u - 1)
    return pn.Problem(domain, equations={"e": lambda u: u.t + rate * u}, conditions={"s": start}, reference=exact)
"""
    (tmp_path / "anything.py").write_text(text)
    assert pinnact("solve", "anything.py", "--steps", 2, "--width", 4, "--depth", 1, "--quiet")[0] == 0
    summary = json.loads((tmp_path / "runs" / "decay" / "summary.json").read_text())
    assert summary["problem"] == "decay" and summary["settings"]["steps"] == 2
    assert summary["command"].startswith("pinnact solve anything.py --steps 2")
    made = library.load(tmp_path / "anything.py")()
    assert made.name == "problem" and pn.load(tmp_path / "runs" / "decay", made)(t=0.0) == pytest.approx(1.0)


def test_help_is_said_without_arguments(pinnact):
    code, out, _ = pinnact()
    assert code == 0 and "solve" in out and "doctor" in out
