"""Runs that were stopped or killed go on where they were, to the last bit."""

import errno
import os
import runpy
import shutil
import signal
import threading
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from short_runs import solve

import pinnact as pn
from pinnact import checkpoints, files, restoring
from pinnact.checkpoints import Checkpoints, Keeper
from pinnact.history import History
from pinnact.interrupts import Interrupts
from pinnact.optimisers import LBFGS, Stage, adam

SOAK = Path(__file__).parents[1] / "scripts" / "soak.py"


def bits(model):
    return b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(model) if isinstance(leaf, jax.Array))


class Killed(BaseException):
    """Stands for the end of the process: nothing of the library catches it."""


def at_step(step, monkeypatch, what):
    """`what` happens at the first logged step from `step` on."""
    append = History.append

    def watched(self, now, *rest):
        append(self, now, *rest)
        if now >= step:
            what()

    monkeypatch.setattr(History, "append", watched)


def die():
    raise Killed


def killed_at(step, monkeypatch, run):
    with monkeypatch.context() as patched, pytest.raises(Killed):
        at_step(step, patched, die)
        run()


# -- the same bits -----------------------------------------------------------------------------------------------------

RUNS = {
    "ssbroyden": {"optimiser": "ssbroyden"},
    "lm": {"optimiser": "lm"},
    "lbfgs": {"optimiser": "lbfgs"},
    "adam": {"optimiser": "adam"},
    "stages": {
        "optimiser": [Stage(adam(), steps=9), Stage(LBFGS(), share=0.3), Stage(pn.LevenbergMarquardt(), times=2)]
    },
    "more points": {"optimiser": [Stage(pn.SelfScaledBroyden(), steps=9), Stage(pn.SelfScaledBroyden(), times=2)]},
    "causal": {"weights": pn.Causal(every=5), "hard": False},
    "gradient norms": {"weights": pn.GradientNorm(every=5), "hard": False},
    "float32": {"precision": "float32", "optimiser": "adam"},
    "gncg": {"optimiser": "gncg"},
    "mixed": {"precision": "mixed", "optimiser": "ssbroyden"},
}


SLOW = ("causal", "float32", "gncg", "gradient norms", "lbfgs", "mixed")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in RUNS])
def test_a_killed_run_ends_with_the_same_bits(name, tmp_path, monkeypatch):
    options = RUNS[name]
    whole = solve(**options)
    resumable = lambda: solve(**options, checkpoint=Checkpoints(tmp_path, every=0))
    for step in (8, 21) if name == "stages" else (13,):
        killed_at(step, monkeypatch, resumable)
    again = resumable()
    assert bits(again.model) == bits(whole.model) and again.summary["steps"] == 24
    steps = again.history.column("step")
    assert steps == sorted(set(steps)) and steps[0] == 0 and steps[-1] == 24
    assert again.history.column("loss")[-1] == whole.history.column("loss")[-1]
    resumed = again.summary["resumed"]
    assert len(resumed) == (2 if name == "stages" else 1) and resumed == sorted(resumed) and resumed[0] > 0
    assert len(Checkpoints(tmp_path).files) == 2


@pytest.mark.slow
def test_what_is_built_in_comes_back_too(tmp_path, monkeypatch):
    """A lift in two dimensions, and unknown numbers inferred from data."""
    domain = pn.Interval(x=(0, 1)) * pn.Time(t=(0, 0.5))
    heat = pn.Problem(
        domain,
        coefficients={"rate": 0.2},
        equations={"heat": lambda u, rate: u.t - rate * u.xx},
        conditions={
            "walls": pn.On(domain.boundary, lambda u: u),
            "start": pn.On(domain.initial, lambda u, x: u - jnp.sin(jnp.pi * x)),
        },
    )
    points = domain.sample(20, seed=1)
    values = np.sin(np.pi * points[:, 0]) * np.exp(-0.2 * np.pi**2 * points[:, 1])
    problem = heat.infer(rate=pn.Positive(0.5)).observe(points, u=values)
    whole = solve(problem)
    killed_at(13, monkeypatch, lambda: solve(problem, checkpoint=Checkpoints(tmp_path, every=0)))
    again = solve(problem, checkpoint=tmp_path)
    assert bits(again.model) == bits(whole.model) and again.unknowns == whole.unknowns
    assert again.history.column("rate")[0] == pytest.approx(0.5)
    with pytest.raises(ValueError, match="of another run, data was"):
        solve(heat.infer(rate=pn.Positive(0.5)).observe(points, u=values + 1e-9), checkpoint=tmp_path)


def test_a_finished_run_is_given_back_and_can_be_trained_on(tmp_path):
    first, second = (solve(checkpoint=tmp_path) for _ in range(2))
    assert bits(first.model) == bits(second.model) and second.summary["stopped"] == "steps"
    assert second.history.column("loss") == first.history.column("loss")
    longer = solve(steps=40, checkpoint=tmp_path)
    assert longer.summary["steps"] == 40 and longer.summary["resumed"] == [24, 24]
    assert longer.summary["loss"] < first.summary["loss"]


def test_seconds_of_all_processes_count(tmp_path, monkeypatch):
    solve(checkpoint=tmp_path)
    header, _ = files.read_arrays(Checkpoints(tmp_path).files[0], checkpoints.FORMAT, checkpoints.VERSION)
    before = header["numbers"]["seconds"]
    again = solve(steps=None, budget=before / 2, checkpoint=tmp_path)
    assert again.summary["stopped"] == "budget" and again.summary["steps"] == 24
    assert again.summary["seconds"] > before


def test_nothing_is_written_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    solve(steps=3)
    assert list(tmp_path.iterdir()) == []


# -- signals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number, word", [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_a_signal_ends_training_after_the_steps_at_hand(number, word, tmp_path, monkeypatch):
    before = signal.getsignal(number)
    with monkeypatch.context() as patched:
        at_step(9, patched, lambda: os.kill(os.getpid(), number))
        stopped = solve(checkpoint=tmp_path)
    assert stopped.summary["stopped"] == word and 9 <= stopped.summary["steps"] < 24
    assert signal.getsignal(number) is before
    assert bits(solve(checkpoint=tmp_path).model) == bits(solve().model)


def test_a_second_signal_stops_at_once():
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupts.stopped == "terminated"
        os.kill(os.getpid(), signal.SIGINT)


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.stopped == "" and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_train_too():
    found = []
    thread = threading.Thread(target=lambda: found.append(solve(steps=3).summary["stopped"]))
    thread.start()
    thread.join()
    assert found == ["steps"]


# -- folders and disks -------------------------------------------------------------------------------------------------


def test_a_folder_in_use_is_refused(tmp_path):
    with files.held(tmp_path), pytest.raises(ValueError, match="is in use by another process"):
        solve(checkpoint=tmp_path)


def test_a_full_disk_is_told_once_and_loses_nothing(tmp_path, monkeypatch, caplog):
    solve(steps=6, checkpoint=tmp_path)
    good = {path: path.read_bytes() for path in Checkpoints(tmp_path).files}
    write = checkpoints.write_arrays

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoints, "write_arrays", full)
    caplog.clear()
    solution = solve(steps=20, checkpoint=Checkpoints(tmp_path, every=0))
    assert solution.summary["steps"] == 20 and caplog.text.count("No space left on device") == 1
    assert {path: path.read_bytes() for path in Checkpoints(tmp_path).files} == good
    monkeypatch.setattr(checkpoints, "write_arrays", lambda *a: full() if a[1]["step"] < 15 else write(*a))
    caplog.clear()
    solve(steps=24, checkpoint=Checkpoints(tmp_path, every=0))
    assert "checkpoints are written again" in caplog.text and "000024" in Checkpoints(tmp_path).files[0].name


def test_a_vanished_folder_is_made_again(tmp_path, monkeypatch):
    folder = tmp_path / "run" / "checkpoints"
    with monkeypatch.context() as patched:
        at_step(9, patched, lambda: shutil.rmtree(folder.parent, ignore_errors=True))
        solve(checkpoint=Checkpoints(folder, every=0))
    assert len(Checkpoints(folder).files) >= 1


def test_no_half_a_file_is_left(tmp_path, monkeypatch):
    """A process killed while it writes leaves a temporary file, which the next one removes."""
    solve(steps=6, checkpoint=tmp_path)
    (tmp_path / ".0123.ckpt").write_bytes(b"half")
    solve(steps=8, checkpoint=tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [".lock", "000000000006.ckpt", "000000000008.ckpt"]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-100],
        lambda data: data[:-200] + bytes([data[-200] ^ 1]) + data[-199:],
        lambda data: data[:50],
        lambda data: b"",
        lambda data: data + b"more",
        lambda data: data.replace(b'"step": 14', b'"step": 15'),
    ],
)
def test_a_damaged_checkpoint_is_named_and_the_one_before_taken(change, tmp_path, caplog):
    with Keeper(tmp_path, {"seed": 0}) as keeper:
        for step in (10, 14):
            keeper.save(step, {"at": step}, {"x": jnp.arange(50.0) + step})
        newest = Checkpoints(tmp_path).files[0]
        newest.write_bytes(change(newest.read_bytes()))
        saved = keeper.newest()
        assert saved.numbers == {"at": 10} and np.array_equal(saved.arrays[0], np.arange(50.0) + 10)
        assert f"{newest}: " in caplog.text and "the checkpoint before it is taken" in caplog.text
        keeper.save(
            11, {"at": 11}, {"x": jnp.arange(5.0)}
        )  # the damaged one takes no place, though it is of a later step
        assert [path.name[-7:-5] for path in Checkpoints(tmp_path).files] == ["11", "10"]
        for path in Checkpoints(tmp_path).files:
            path.write_bytes(b"")
        with pytest.raises(ValueError, match="holds no checkpoint that is whole; remove it to start anew"):
            keeper.newest()


@pytest.mark.parametrize("wrong", [{"every": -1}, {"every": float("nan")}, {"keep": 0}])
def test_wrong_settings(wrong):
    with pytest.raises(ValueError, match="give"):
        Checkpoints("x", **wrong)


def test_a_key_of_jax_survives(tmp_path):
    """States of optimisers may hold random keys."""
    state = {"key": jax.random.key(3), "x": jnp.arange(3.0)}
    with Keeper(tmp_path, {}) as keeper:
        assert keeper.save(1, {}, state)
        saved = keeper.newest()
    again = restoring.restore(saved, saved.arrays, state)
    assert jax.random.normal(again["key"]) == jax.random.normal(state["key"])
    with pytest.raises(ValueError, match="holds 2 arrays where 1 are needed"):
        restoring.restore(saved, saved.arrays, {"x": state["x"]})


@pytest.mark.slow
def test_processes_killed_at_random_moments(tmp_path):
    """`kill -9` at 20 moments between the start of a process and its end (`scripts/soak.py` does 200)."""
    runs, wrong, damaged = runpy.run_path(str(SOAK))["soak"](tmp_path, kills=20)
    assert runs > 3 and wrong == 0 and damaged == 0


# -- the command line --------------------------------------------------------------------------------------------------

PROBLEM = Path(__file__).parents[1] / "problems" / "pde" / "heat.py"
COMMAND = ("solve", PROBLEM, "--width", "4", "--depth", "1", "--steps", "12", "--optimiser", "adam")


def test_the_command_line_says_how_to_go_on(pinnact, tmp_path, monkeypatch, caplog):
    with monkeypatch.context() as patched:
        at_step(5, patched, lambda: os.kill(os.getpid(), signal.SIGTERM))
        code, _, err = pinnact(*COMMAND, "--out", "run")
    assert code == 143 and "terminated; to go on: pinnact solve " in err and err.rstrip().endswith("--resume")
    code, _, err = pinnact(*COMMAND, "--out", "run")
    assert code == 2 and "add --resume to go on with it" in err
    code, _, err = pinnact(*COMMAND, "--out", "run", "--resume")
    assert code == 0 and "goes on at step 5" in caplog.text
    code, _, _ = pinnact(*COMMAND, "--out", "whole", "--quiet")
    assert code == 0
    one, other = (files.read_arrays(Path(d, "solution.eqx"), "pinnact solution", 1)[1] for d in ("run", "whole"))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


def held_while(monkeypatch, kind, method):
    """A list that tells, for each call of `method`, whether the checkpoints of `run` were held then."""
    seen, original = [], getattr(kind, method)

    def watched(self, *given):
        try:
            with files.held(Path("run", "checkpoints")):
                seen.append(False)
        except ValueError:
            seen.append(True)
        return original(self, *given)

    monkeypatch.setattr(kind, method, watched)
    return seen


def test_no_other_process_can_take_the_folder_before_the_results_are_there(pinnact, monkeypatch):
    seen = held_while(monkeypatch, pn.Solution, "write")
    assert pinnact(*COMMAND, "--out", "run", "--quiet")[0] == 0
    saved = held_while(monkeypatch, pn.potentials.Surface, "save")
    fit = ("potential", "fit", "potentials/ammonia", "--train", "20", "--model", "invariant", "--steps", "2", "--quiet")
    shutil.rmtree("run")
    assert pinnact(*fit, "--out", "run")[0] == 0 and (seen, saved) == ([True], [True])
    with files.held(Path("run", "checkpoints")):
        pass
