"""Batches: what a file means, that failing cells are rows, that finished ones are kept, and that killed ones go on."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from made_up import DECAY

from pinnact import batch
from pinnact.batch import pools, tables, work
from pinnact.batch.cells import Cell
from pinnact.batch.pools import AbstractPool

SMALL = {"width": 4, "depth": 1, "steps": 5}


@pytest.fixture
def problem(tmp_path):
    path = tmp_path / "decay.py"
    path.write_text(DECAY)
    return str(path)


class Here(AbstractPool):
    """Works in this process, and counts."""

    words = "this process"

    def __init__(self):
        self.seen = []

    def run(self, jobs, interrupts):
        for job in jobs:
            if interrupts.stopped:
                return
            self.seen += [cell.key for cell in job.cells]
            work.attempt_all(job.plain)
            yield job.rows()


def grid(problem, **more):
    return batch.expand({"problem": problem, **SMALL, **more})


# -- what a file means -------------------------------------------------------------------------------------------------


def test_a_file_is_the_product_of_its_lists(tmp_path):
    file = tmp_path / "b.toml"
    file.write_text(
        'budget = 7\nseed = [0, 1]\n[[runs]]\nproblem = ["pde/heat", "pde/wave"]\nactivation = ["tanh", "gelu"]\n'
        '[[runs]]\nproblem = "pde/poisson"\nbudget = 9.5\nset = {dimension = [2, 3], solution = "norm"}\n'
    )
    cells = batch.read(file)
    assert len(cells) == 8 + 4 and len({cell.key for cell in cells}) == 12
    assert {cell.budget for cell in cells} == {7, 9.5} and {cell.seed for cell in cells} == {0, 1}
    assert {json.dumps(cell.set) for cell in cells[8:]} == {
        '{"dimension": 2, "solution": "norm"}', '{"dimension": 3, "solution": "norm"}'
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("runs = 3", "no table"),
        ("[[runs]]\nproblem = 'pde/heat'\nseed = [0, true]", "seed = True"),
        ("[[runs]]\nproblem = 'pde/heat'\nbudget = nan", "budget = nan"),
        ("[[runs]]\nproblem = 'pde/heat'\nseed = []", "at least one value"),
        ("[[runs]]\nproblem = 'pde/heat'\nset = 3", "write a table"),
    ],
)
def test_a_file_that_means_nothing_is_refused(tmp_path, text, said):
    file = tmp_path / "b.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=said) as caught:
        batch.read(file)
    assert str(file) in str(caught.value)


def test_a_cell_is_known_by_all_it_depends_on(problem, tmp_path):
    cell = grid(problem)[0]
    others = [grid(problem, seed=1)[0], grid(problem, set={"rate": 2.0})[0], grid(problem, width=5)[0]]
    assert len({cell.key, *(other.key for other in others)}) == 4
    before = cell.key
    (tmp_path / "decay.py").write_text(DECAY.replace("1.0", "1.5"))
    assert cell.key != before


# -- the run -----------------------------------------------------------------------------------------------------------


def test_failing_cells_are_rows_and_finished_ones_are_kept(problem, tmp_path):
    cells = [
        *grid(problem, seed=[0, 1], set={"rate": [1.0, 2.0]}),
        *grid(problem, activation="nonsense"),
        *grid("pde/nowhere"),
        *grid(problem, set={"speed": 1}),
    ]
    out, pool = tmp_path / "out", Here()
    results = batch.run(cells, out, pool)
    assert (results.count("done"), results.count("failed"), results.count("open")) == (4, 3, 0)
    reasons = [row["reason"] for row in results.rows[4:]]
    assert "no activation" in reasons[0] and "no problem" in reasons[1] and "no argument 'speed'" in reasons[2]
    assert all(row["error"] < 0.5 and row["steps_taken"] == 5 for row in results.rows[:4])
    for cell in cells[:4]:
        assert (out / "cells" / cell.key / "summary.json").is_file()
        assert not list((out / "cells" / cell.key / "checkpoints").glob("*.ckpt"))
    with (out / "table.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["status"] for row in written] == ["done"] * 4 + ["failed"] * 3
    assert float(written[0]["error"]) == results.rows[0]["error"] and written[2]["set"] == '{"rate": 1.0}'
    text = (out / "table.md").read_text()
    assert "rate 1.0" in text and "## Failed" in text and "nonsense" in text
    assert (out / "table.png").stat().st_size > 10_000

    again = Here()  # those that failed are tried again, and one more seed is new
    batch.run([*cells, *grid(problem, seed=2)], out, again)
    assert again.seen == [cell.key for cell in [*cells[4:], *grid(problem, seed=2)]]


@pytest.mark.slow
def test_seeds_of_a_cell_can_train_together(problem, tmp_path):
    cells = [*grid(problem, seed=[0, 1]), *grid(problem, seed=[0, 1], network="piratenet", steps=2)]
    results = batch.run(cells, tmp_path / "out", Here(), together=True)
    assert results.count("done") == 4
    assert [row["together"] for row in results.rows] == [2, 2, 1, 1]  # random features differ by seed: alone
    assert results.rows[0]["gain"] > 0 and results.rows[0]["error"] != results.rows[1]["error"]


def test_parquet_holds_the_same_rows(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [work.failure(Cell("pde/heat", seed=seed, set={"a": 1}), "no") for seed in (0, 1)]
    assert tables.write_parquet(rows, tmp_path / "t.parquet")
    read = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    assert [row["seed"] for row in read] == [0, 1] and read[0]["set"] == '{"a": 1}' and read[0]["error"] is None


def test_configurations_are_named_by_what_differs():
    cells = [Cell("pde/heat", activation=a, seed=s) for a in ("tanh", "gelu") for s in (0, 1)]
    rows = [vars(cell) | {"status": "done", "error": 0.1 * (i + 1)} for i, cell in enumerate(cells)]
    groups = tables.configurations(rows)
    assert list(groups) == ["heat: tanh", "heat: gelu"]
    assert tables.spread(groups["heat: gelu"], "error") == pytest.approx((0.35, 0.3, 0.4))
    assert tables.spread(groups["heat: gelu"], "loss") is None


def test_two_batches_in_one_folder_are_refused(problem, tmp_path):
    class Nested(Here):
        def run(self, jobs, interrupts):
            with pytest.raises(ValueError, match="in use by another process"):
                batch.run(grid(problem), tmp_path / "out", Here())
            yield from super().run(jobs, interrupts)

    assert batch.run(grid(problem), tmp_path / "out", Nested()).count("done") == 1


# -- processes ---------------------------------------------------------------------------------------------------------


def kill_one(out, deaths):
    """Kill a worker of ours once both have written a checkpoint."""
    while len({path.parent for path in (out / "cells").glob("*/checkpoints/*.ckpt")}) < 2:
        time.sleep(0.01)
    found = subprocess.run(["pgrep", "-f", "pinnact.batch.work"], capture_output=True, text=True).stdout
    deaths.append(next(int(pid) for pid in found.split() if parent(int(pid)) == os.getpid()))
    os.kill(deaths[0], signal.SIGKILL)


def parent(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return None


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="finds processes in /proc")
def test_a_killed_process_goes_on_from_its_checkpoint(problem, tmp_path):
    cells, out, deaths = grid(problem, steps=3000, seed=[0, 1]), tmp_path / "out", []
    threading.Thread(target=kill_one, args=(out, deaths), daemon=True).start()
    results = batch.run(cells, out, batch.Processes(2), every=0.0)
    assert len(deaths) == 1 and results.count("done") == 2
    resumed = [json.loads((out / "cells" / cell.key / "summary.json").read_text())["resumed"] for cell in cells]
    assert sum(map(bool, resumed)) == 1


@pytest.mark.slow
def test_a_process_that_dies_again_and_again_is_a_row(problem, tmp_path, monkeypatch):
    monkeypatch.setattr(pools, "TRIES", 2)
    (tmp_path / "decay.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    results = batch.run(grid(problem), tmp_path / "out", batch.Processes(1))
    assert results.rows[0]["status"] == "failed" and "SIGKILL, 2 times" in results.rows[0]["reason"]


class Grave(pools.AbstractPool):
    """Whose workers all die before they look at their job."""

    words = "nobody"

    def run(self, jobs, interrupts):
        yield from (job.rows("died at once") for job in jobs)


def test_a_worker_that_dies_at_once_leaves_no_reason_of_before(problem, tmp_path):
    cells = grid(problem)
    folder = tmp_path / "out" / tables.CELLS / cells[0].key
    folder.mkdir(parents=True)
    work.keep(work.failure(cells[0], "the first reason") | {"folder": folder.name}, folder)
    assert batch.run(cells, tmp_path / "out", Grave()).rows[0]["reason"] == "died at once"


@pytest.mark.slow
def test_a_cell_that_is_killed_when_tried_again_tells_the_new_reason(problem, tmp_path, monkeypatch):
    monkeypatch.setattr(pools, "TRIES", 1)
    again = tmp_path / "again"
    (tmp_path / "decay.py").write_text(
        f"import os, signal\nif os.path.exists({str(again)!r}):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "raise ValueError('the first reason')\n"
    )
    reasons = []
    for _ in range(2):
        reasons.append(batch.run(grid(problem), tmp_path / "out", batch.Processes(1)).rows[0]["reason"])
        again.touch()
    assert "the first reason" in reasons[0] and "SIGKILL" in reasons[1]


@pytest.mark.slow
def test_the_command_ends_with_130_and_goes_on(problem, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "pinnact", "compare", problem, "--seeds", "2", "--steps", "30", "--workers", "1"]
    command += ["--widths", "4", "--depths", "1", "--out", str(out)]
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not list(out.glob("cells/*/row.json")):
        time.sleep(0.05)
    first.send_signal(signal.SIGINT)
    said = first.communicate(timeout=60)[1]
    assert first.returncode == 130 and "to go on:" in said and "--resume" in said
    second = subprocess.run([*command, "--resume"], capture_output=True, text=True)
    assert second.returncode == 0 and "1 of them finished before" in second.stderr and "2 cells done" in second.stderr
    third = subprocess.run(command, capture_output=True, text=True)
    assert third.returncode == 2 and "add --resume" in third.stderr
