"""`pinnact potential`: what the commands write and say, and how they end."""

import json
import os
import signal

import numpy as np
import pytest

from pinnact.history import History
from pinnact.potentials import Configurations, load, write_npz

FIT = ("potential", "fit", "potentials/ammonia", "--train", "60", "--quiet")
ERRORS = {"energy_mae_mev", "energy_rmse_mev", "force_mae_mev_per_angstrom", "force_rmse_mev_per_angstrom"}


@pytest.fixture
def fitted(pinnact, tmp_path):
    code, out, err = pinnact(*FIT, "--model", "invariant", "--steps", 300, "--out", "run")
    assert (code, out, err.count("\n")) == (0, "", 1) and "force MAE" in err
    return tmp_path / "run"


def summary(folder):
    return json.loads((folder / "summary.json").read_text())


def test_a_fit_writes_its_folder(fitted):
    assert {path.name for path in fitted.iterdir()} == {"surface.npz", "summary.json", "history.csv", "checkpoints"}
    found = summary(fitted)
    assert found.keys() >= ERRORS | {"model", "activation", "seconds", "steps", "stopped", "reason", "tested_on"}
    assert (found["frames"], found["steps"], found["stopped"], found["tested_on"]) == (60, 300, "steps", 300)
    assert History.read(fitted / "history.csv").column("step")[-1] == 300
    assert 0 < found["force_mae_mev_per_angstrom"] < 1000


def test_a_fit_that_was_stopped_goes_on(pinnact, tmp_path, monkeypatch):
    short = (*FIT, "--model", "invariant", "--steps", 400)
    with monkeypatch.context() as patched:
        append = History.append
        watched = lambda self, step, *rest: (
            append(self, step, *rest),
            step >= 40 and os.kill(os.getpid(), signal.SIGINT),
        )
        patched.setattr(History, "append", watched)
        code, _, err = pinnact(*short, "--out", "run")
    assert code == 130 and "interrupted; to go on: pinnact potential fit" in err
    assert 40 <= summary(tmp_path / "run")["steps"] < 400
    assert pinnact(*short, "--out", "run", "--resume")[0] == 0
    assert pinnact(*short, "--out", "whole")[0] == 0
    for name in ERRORS | {"steps"}:
        assert summary(tmp_path / "run")[name] == summary(tmp_path / "whole")[name]


def test_a_test_repeats_the_fits_errors(pinnact, fitted, tmp_path):
    code, _, err = pinnact("potential", "test", fitted, "potentials/ammonia", "--out", "again")
    assert code == 0 and "on 300 other frames" in err
    for name in ERRORS:
        assert summary(tmp_path / "again")[name] == pytest.approx(summary(fitted)[name], rel=1e-12)


@pytest.mark.slow
def test_vibrations_and_motion(pinnact, tmp_path):
    """The kernel from 60 frames knows ammonia well enough to vibrate: six modes, N-H stretches above 3,000."""
    assert pinnact(*FIT, "--model", "kernel", "--budget", 20, "--out", "kernel")[0] == 0
    assert summary(tmp_path / "kernel")["frames_used"] == 60
    code, out, _ = pinnact("potential", "frequencies", "kernel", "--out", "modes")
    assert code == 0 and out.count("1/cm") == 6 and "zero-point energy" in out
    found = np.array(summary(tmp_path / "modes")["wavenumbers"])
    assert np.all(found[-3:] > 3000) and 500 < found[0] < 1500
    assert {path.suffix for path in (tmp_path / "modes").iterdir()} == {".json", ".xyz", ".png"}
    code, _, err = pinnact("potential", "dynamics", "kernel", "--steps", 200, "--out", "motion")
    assert code == 0 and "meV an atom and 10 ps" in err
    assert {path.name for path in (tmp_path / "motion").iterdir()} == {"summary.json", "trajectory.xyz", "dynamics.png"}


@pytest.mark.slow
def test_several_members_tell_how_certain_they_are(pinnact, tmp_path):
    assert pinnact(*FIT, "--model", "invariant", "--members", 2, "--steps", 2, "--out", "several")[0] == 0
    summary = json.loads((tmp_path / "several" / "summary.json").read_text())
    assert summary["model"] == "2 x InvariantMLP" and summary["calibration"]["factor"] > 0
    assert (tmp_path / "several" / "uncertainty.png").stat().st_size > 1000


def test_a_full_folder_other_atoms_and_a_damaged_surface(pinnact, fitted, tmp_path):
    for command in (("test", "run", "potentials/ammonia"), ("frequencies", "run"), ("dynamics", "run")):
        assert "run holds another run" in pinnact("potential", *command, "--out", "run")[2]
    assert "holds another run" in pinnact(*FIT, "--steps", 1, "--out", "run")[2]
    pair = Configurations(
        [1, 1], [[[0, 0, 0], [0, 0, 0.7 + 0.01 * k]] for k in range(9)], np.zeros(9), np.zeros((9, 2, 3))
    )
    write_npz(tmp_path / "pair.npz", pair)
    code, _, err = pinnact("potential", "test", "run", "pair.npz")
    assert code == 2 and "this surface is of the molecule N H H H" in err
    whole = (fitted / "surface.npz").read_bytes()
    (fitted / "surface.npz").write_bytes(whole[: len(whole) // 3])
    code, _, err = pinnact("potential", "test", "run", "potentials/ammonia")
    assert code == 2 and "is damaged or no surface" in err
    with pytest.raises(ValueError, match="is damaged"):
        load(fitted)
