"""Batches on Dask: two workers on loopback, one of them killed in mid-run, and every cell finished exactly once."""

import json
import os
import signal
import threading
import time

import pytest
from made_up import DECAY

from pinnact import batch

distributed = pytest.importorskip("distributed")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_every_cell_is_finished_once_though_a_worker_dies(tmp_path):
    """Workers of a scheduler that was started elsewhere; one is killed once it has written a checkpoint."""
    (tmp_path / "decay.py").write_text(DECAY)
    good = {"problem": str(tmp_path / "decay.py"), "width": 4, "depth": 1, "steps": 600, "seed": [0, 1, 2]}
    cells = [*batch.expand(good), *batch.expand(good | {"seed": 0, "activation": "nonsense"})]
    out, deaths = tmp_path / "out", []
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:

        def kill_one():
            while not list(out.glob("cells/*/checkpoints/*.ckpt")):
                time.sleep(0.01)
            deaths.append(next(iter(cluster.workers.values())).pid)
            os.kill(deaths[0], signal.SIGKILL)

        threading.Thread(target=kill_one, daemon=True).start()
        results = batch.run(cells, out, batch.Cluster(cluster.scheduler_address), every=0.0)
    assert len(deaths) == 1
    assert [row["status"] for row in results.rows] == ["done"] * 3 + ["failed"]
    assert "no activation" in results.rows[3]["reason"]
    summaries = [json.loads(path.read_text()) for path in out.glob("cells/*/summary.json")]
    assert len(summaries) == 3 and all(summary["steps"] == 600 for summary in summaries)
    assert sorted(summary["seed"] for summary in summaries) == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_sixty_cells_three_that_fail_and_two_killed_workers(tmp_path):
    """57 results and 3 reasons: an activation, an argument and an optimiser that don't exist."""
    (tmp_path / "decay.py").write_text(DECAY)
    good = {"problem": str(tmp_path / "decay.py"), "width": 4, "depth": 1, "steps": 60}
    cells = batch.expand(good | {"activation": ["tanh", "gelu", "sin"], "seed": list(range(19))})
    wrong = ({"activation": "nonsense"}, {"set": {"rites": 2.0}}, {"optimiser": "none"})
    for place, more in zip((5, 30, 50), wrong, strict=True):
        cells[place:place] = batch.expand(good | more)
    out, deaths = tmp_path / "out", []
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:

        def kill(after):
            while len(list(out.glob("cells/*/row.json"))) < after:
                time.sleep(0.01)
            deaths.append(max(worker.pid for worker in cluster.workers.values() if worker.pid))
            os.kill(deaths[-1], signal.SIGKILL)

        def kill_two():
            kill(10)
            kill(35)

        threading.Thread(target=kill_two, daemon=True).start()
        results = batch.run(cells, out, batch.Cluster(cluster.scheduler_address), every=0.0)
    assert len(set(deaths)) == 2 and len(results.rows) == 60
    assert (results.count("done"), results.count("failed"), results.count("open")) == (57, 3, 0)
    reasons = [row["reason"] for row in results.rows if row["status"] == "failed"]
    assert [word in reason for word, reason in zip(("nonsense", "rites", "none"), reasons, strict=True)] == [True] * 3
    summaries = [json.loads(path.read_text()) for path in out.glob("cells/*/summary.json")]
    assert len(summaries) == 57 and {summary["steps"] for summary in summaries} == {60}


def test_a_scheduler_that_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("pinnact.batch.cluster.PATIENCE", 1)
    with pytest.raises(ValueError, match=r"no Dask scheduler answers at tcp://127.0.0.1:1"):
        batch.run(batch.expand({"problem": "pde/heat"}), tmp_path / "out", batch.Cluster("tcp://127.0.0.1:1"))
