"""Two real processes that train one run: the same result as one, and a clear end when one of them dies."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from made_up import DECAY

from pinnact import hosts


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start(folder, steps, processes, *more):
    (folder / "decay.py").write_text(DECAY)
    command = [sys.executable, "-m", "pinnact", "solve", str(folder / "decay.py"), "--steps", str(steps)]
    command += ["--width", "6", "--depth", "1", "--no-hard", "--out", str(folder / f"run{processes}"), *more]
    environment = dict(os.environ, JAX_PLATFORMS="cpu", TF_CPP_MIN_LOG_LEVEL="1")
    port, running = free_port(), []
    for number in range(processes):
        joined = ["--coordinator", f"127.0.0.1:{port}", "--processes", str(processes), "--process-id", str(number)]
        given = [*command, *(joined if processes > 1 else [])]
        running.append(subprocess.Popen(given, env=environment, stderr=subprocess.PIPE, text=True))
    return running


def end(processes, seconds=120):
    said = [process.communicate(timeout=seconds)[1] for process in processes]
    return [process.returncode for process in processes], said


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path):
    """2,000 points, half of them in each process; the sums differ in the last digits."""
    codes, said = end([*start(tmp_path, 15, 2), *start(tmp_path, 15, 1)], 300)
    assert codes == [0, 0, 0], said
    two, one = (json.loads((tmp_path / f"run{n}" / "summary.json").read_text()) for n in (2, 1))
    assert two["device"] == "2 cpu devices of 2 processes" and two["steps"] == one["steps"] == 15
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-6)
    assert two["relative_l2"]["u"] == pytest.approx(one["relative_l2"]["u"], rel=1e-6)


@pytest.mark.slow
def test_when_one_dies_the_other_says_so_and_the_run_goes_on(tmp_path):
    running = start(tmp_path, 10**7, 2, "--checkpoint-every", "0")
    folder = tmp_path / "run2" / "checkpoints"
    while not list(folder.glob("*.ckpt")):
        assert all(process.poll() is None for process in running)
        time.sleep(0.05)
    began = time.monotonic()
    os.kill(running[1].pid, signal.SIGKILL)
    codes, said = end(running)
    assert time.monotonic() - began < 60
    assert codes[0] == 1 and "another process of this run is gone" in said[0] and "--resume" in said[0]
    step = max(int(path.stem) for path in folder.glob("*.ckpt"))
    codes, said = end(start(tmp_path, step + 10, 2, "--resume"), 300)
    assert codes == [0, 0], said
    summary = json.loads((tmp_path / "run2" / "summary.json").read_text())
    assert summary["resumed"] == [step] and summary["steps"] == step + 10


@pytest.mark.parametrize(
    ("given", "said"),
    [(("here", 2, 0), "give HOST:PORT"), (("127.0.0.1:1", 2, 2), "process 2 of 2"), (("a:b", 2, 0), "give HOST:PORT")],
)
def test_what_does_not_fit_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        hosts.join(*given)


def test_a_process_alone_decides_alone():
    assert not hosts.several() and hosts.first()
    assert hosts.agreed("terminated", ("interrupted", "terminated")) == "terminated"
    assert hosts.seconds() <= hosts.seconds()
