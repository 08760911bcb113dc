"""`scripts/compare_peers.py` without a run: how errors and seconds are counted, and what the table says of some."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"


@pytest.fixture
def peers(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from peers import curve, report  # beside the script  # noqa: PLC0415

    yield curve, report
    for name in [name for name in sys.modules if name.split(".")[0] == "peers"]:
        monkeypatch.delitem(sys.modules, name)


def curves(folder, **solvers):
    """Files as the runs leave them: `solver=[(rows, training), ...]`."""
    named = {}
    for solver, runs in solvers.items():
        named[solver] = []
        for i, (rows, training) in enumerate(runs):
            path = folder / f"{solver}-{i}.json"
            path.write_text(json.dumps({"recipe": f"P2:{i}", "rows": rows, "training": training}))
            named[solver].append(path)
    return named


def test_the_error_is_the_largest_and_scoring_costs_no_time(peers, tmp_path):
    values = np.random.default_rng(0).normal(size=(50, 2))
    np.savez(tmp_path / "points.npz", points=np.zeros((50, 2)), values=values)
    curve = peers[0].Curve(tmp_path / "points.npz", time.time(), budget=1.0)
    assert curve.error(values) == 0.0
    assert curve.error(values * [1.01, 0.9]) == pytest.approx(0.1)

    def slowly(points):
        time.sleep(0.3)
        return values

    curve.look(slowly)
    assert curve.seconds() < 0.25
    curve.started -= 2.0
    assert curve.over()


@pytest.mark.parametrize("now, then", [(1.0, 1.2), (14.9, 15), (15.0, 15.75), (99.0, 100), (118.0, 120)])
def test_looks_are_dense_and_miss_no_mark(peers, tmp_path, now, then):
    np.savez(tmp_path / "points.npz", points=np.zeros((1, 2)), values=np.ones((1, 1)))
    curve = peers[0].Curve(tmp_path / "points.npz", 0.0, budget=100.0)
    curve.plan(now)
    assert curve.next == pytest.approx(then)


def test_the_table_says_who_wins_and_how_much_faster(peers, tmp_path):
    named = curves(
        tmp_path,
        ours=[([(20, 1e-6)], [(10, 1e-2), (14, 1e-3)]), ([(50, 1e-12)], [(10, 1e-2), (40, 1e-7)])],
        deepxde=[([(10, 1e-1), (15.2, 1e-4), (60, 1e-5)], [])],
        classical=[([(1, 1e-3)], []), ([(30, 1e-13)], [])],
    )
    report = peers[1]
    assert report.ours_at(named["ours"], 15) == 1e-2  # the longest training's, as no run has ended
    assert report.ours_at(named["ours"], 30) == 1e-6  # that run has ended, though the longer one trains on
    said = report.table({"poisson": named}, 60).splitlines()
    rows = {line.split("|")[2].strip(): [cell.strip() for cell in line.split("|")[3:-1]] for line in said[3:6]}
    assert rows["15 s"] == ["1.0e-02", "1.0e-03", "1.0e-04", "0.01: DEEPXDE WINS", "1.0e-03 (P2:0, 1.0 s)"]
    assert rows["30 s"][3:] == ["1e+02", "1.0e-13 (P2:1, 30.0 s)"]
    assert rows["60 s"][:3] == ["1.0e-12", "1.0e-07", "1.0e-05"]
    assert "deepxde, has 1.0e-05 at 60.0 s; pinnact reaches that at 20.0 s, 3 times as fast" in said[7]
    assert "the classical solver reaches that at 30.0 s" in said[7]
    named["deepxde"] = curves(tmp_path, deepxde=[([(15, 1e-5)], [])])["deepxde"]
    assert "at 20.0 s, 0.75 times as fast: DEEPXDE IS FASTER" in report.table({"poisson": named}, 60)
    named["deepxde"] = curves(tmp_path, deepxde=[([(15, 1e-14)], [])])["deepxde"]
    assert "does not reach it: DEEPXDE WINS" in report.table({"poisson": named}, 60)


def test_the_figure_is_drawn_with_what_is_there(peers, tmp_path):
    named = curves(tmp_path, ours=[([(20, 1e-6)], [(10, 1e-2)])], classical=[([(1, 1e-3)], [])])
    named["deepxde"] = [tmp_path / "missing.json"]
    peers[1].figure({"poisson": named}, tmp_path / "peers.png", 60)
    assert (tmp_path / "peers.png").stat().st_size > 10_000
