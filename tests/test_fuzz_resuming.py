"""Checkpoints with the right checksum that no run has written: taken as they are, or refused in one line."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from corruption import HUGE, changed_tree, read_or_refused, sealed, some
from hypothesis import given
from made_up import decay
from toys import hydrogen

import pinnact as pn
from pinnact import checkpoints, files
from pinnact.checkpoints import Checkpoints, Saved
from pinnact.history import History
from pinnact.optimisers import LBFGS, Stage, adam
from pinnact.restoring import is_seconds, plain, refill
from pinnact.resuming import position

pytestmark = pytest.mark.usefixtures("no_hang")
NUMBERS = {
    "step": 24, "seconds": 3.5, "stage": 1, "first": 9, "begun": 2.5, "loss": 1e-3, "seen": 1e-3, "best": 1e-3,
    "since": 2, "stalled": False, "carried": True, "resumed": [3, 9], "recovered": [4], "sizes": [1, 5, 4, 2, 1, 1],
    "optimisers": ["adam(rate=0.001)", "lm()"], "structure": "PyTreeDef(*)",
}  # fmt: skip
FIT = {"seconds": 2.5}


def solve(folder, steps=8):
    """Two stages, the second not yet at its end after 6 steps."""
    plan = [Stage(adam(), steps=4), Stage(LBFGS())]
    points = pn.Points(interior=16, condition=2)
    return pn.solve(decay(), pn.MLP(3, 1), points=points, optimiser=plan, steps=steps, checkpoint=folder)


def fit(folder, steps=4):
    return pn.potentials.fit(hydrogen(6), pn.potentials.InvariantMLP(width=3, depth=1), steps=steps, checkpoint=folder)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """By the function that goes on: the name of its checkpoint, the header and the arrays."""
    found = {}
    for run, steps in ((solve, 6), (fit, 2)):
        folder = tmp_path_factory.mktemp("kept")
        run(folder, steps)
        newest = Checkpoints(folder).files[0]
        found[run] = newest.name, *files.read_arrays(newest, checkpoints.FORMAT, checkpoints.VERSION)
    return found


def forge(run, kept, folder, change):
    """A checkpoint with numbers or arrays that were changed, sealed again."""
    name, header, arrays = kept[run]
    numbers = json.loads(json.dumps(header["numbers"]))
    arrays = change(numbers, arrays) or arrays
    (folder / name).write_bytes(sealed(header | {"numbers": numbers}, arrays))
    return folder / name


def saved(numbers, arrays=14):
    return Saved(Path("1.ckpt"), numbers, [np.zeros(1)] * arrays)


@given(numbers=changed_tree(NUMBERS))
@some(400)
def test_positions(numbers):
    found = read_or_refused(lambda _: position(saved(numbers)), Path("1.ckpt"))
    if found is not None:
        at, sizes, optimisers, structure = found
        assert asdict(at) | {"sizes": sizes, "optimisers": optimisers, "structure": structure} == numbers
        assert at.first <= at.step and sum(sizes) == 14 and len(optimisers) == at.stage + 1


@given(numbers=changed_tree(FIT))
@some(60)
def test_numbers_of_fits(numbers):
    found = read_or_refused(lambda _: plain(saved(numbers), {"seconds": is_seconds}), Path("1.ckpt"))
    assert found is None or (found == numbers and 0 <= found["seconds"] < np.inf)


def put(**changes):
    return lambda numbers, arrays: numbers.update(changes)


def without(name):
    return lambda numbers, arrays: [numbers.pop(name), None][1]


def moved(numbers, arrays):
    """Sums that fit, in other parts."""
    numbers["sizes"][0] += 1
    numbers["sizes"][1] -= 1


def shortened(numbers, arrays):
    """A batch with one point fewer than it has values: the first array of its part, after parameters and state."""
    at = sum(numbers["sizes"][:2])
    return [*arrays[:at], arrays[at][:-1], *arrays[at + 1 :]]


FORGED = {
    "no loss": (without("loss"), "lacks the loss"),
    "no sizes": (without("sizes"), "lacks the sizes"),
    "more": (put(speed=3), "holds 'speed', which is nothing of this run"),
    "stage beyond": (put(stage=7), "its stage is 7"),
    "stage beyond, with optimisers": (put(stage=7, optimisers=["adam()"] * 8), "of another run, optimisers were"),
    "negative stage": (put(stage=-1), "its stage is -1"),
    "texts": (put(step="6"), "its step is '6'"),
    "huge step": (put(step=10**400), "its step is 1000"),
    "list": (put(seconds=[]), r"its seconds is \[\]"),
    "loss": (put(loss=float("nan")), "its loss is nan"),
    "another loss": (put(loss=7.5), "the loss was 7.5"),
    "since": (put(since=2**40), "its since is"),
    "flag": (put(stalled=1), "its stalled is 1"),
    "recoveries": (put(recovered=[1, 2, 3, 4]), "its recovered is"),
    "later": (put(resumed=[HUGE]), "its resumed is"),
    "sum": (put(sizes=[1, 1, 1, 1, 1, 1]), "its sizes is"),
    "negative sizes": (put(sizes=[-1, 99]), "its sizes is"),
    "moved": (moved, "arrays where 1 are needed"),
    "another state": (put(structure="PyTreeDef(*)"), "the optimiser's state was"),
    "history": (lambda numbers, arrays: [*arrays[:-1], np.zeros(3)], "its history is float64"),
    "steps of history": (lambda numbers, arrays: [*arrays[:-1], arrays[-1] + np.inf], "of no step"),
    "rows of a batch": (shortened, "has arrays of 15 and 16 rows"),
    "not finite": (lambda numbers, arrays: [arrays[0] * np.nan, *arrays[1:]], "the loss was"),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_runs_are_refused(name, kept, tmp_path):
    change, said = FORGED[name]
    file = forge(solve, kept, tmp_path, change)
    with pytest.raises(ValueError, match=said) as error:
        solve(tmp_path)
    assert file.name in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 600


@pytest.mark.parametrize(
    "change",
    [
        without("seconds"),
        put(seconds="long"),
        put(seconds=-1.0),
        put(other=1),
        lambda numbers, arrays: arrays[:1],
        lambda numbers, arrays: [*arrays[:-1], np.zeros((2, 2))],
        lambda numbers, arrays: [*arrays[:-1], arrays[-1].astype(np.float32)],
    ],
)
def test_forged_fits_are_refused(change, kept, tmp_path):
    assert read_or_refused(lambda file: fit(file.parent), forge(fit, kept, tmp_path, change)) is None


@pytest.mark.parametrize("run", [solve, fit])
def test_what_was_not_forged_goes_on(run, kept, tmp_path):
    assert read_or_refused(lambda file: run(file.parent), forge(run, kept, tmp_path, put())) is not None


def test_a_history_is_refilled_from_one_table():
    history = History(("heat",))
    refill(saved({}), [np.array([[3.0, 0.1, 1.0, 2.0, np.nan]])], history)
    assert list(history) == [{"step": 3, "seconds": 0.1, "loss": 1.0, "heat": 2.0, "error": None}]
    for wrong in ([], [np.zeros((1, 5))] * 2, [np.full((1, 5), 0.5)], [np.zeros((1, 5), int)]):
        with pytest.raises(ValueError, match="history"):
            refill(saved({}), wrong, history)
