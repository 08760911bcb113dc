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


def test_a_scheduler_that_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("pinnact.batch.cluster.PATIENCE", 1)
    with pytest.raises(ValueError, match=r"no Dask scheduler answers at tcp://127.0.0.1:1"):
        batch.run(batch.expand({"problem": "pde/heat"}), tmp_path / "out", batch.Cluster("tcp://127.0.0.1:1"))
