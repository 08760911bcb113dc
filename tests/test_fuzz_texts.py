"""Batch files, rows of cells, tables, histories and names that chance has changed: read, or refused in one line."""

import json
import re
from dataclasses import asdict

import numpy as np
import pytest
from corruption import WILD, changed_bytes, changed_tree, contents, frugal, read_or_refused, some
from hypothesis import given
from hypothesis import strategies as st

from pinnact import activations, batch, cli
from pinnact.batch import tables, work
from pinnact.batch.cells import Cell
from pinnact.history import History

pytestmark = pytest.mark.usefixtures("no_hang")

# -- batches -----------------------------------------------------------------------------------------------------------

TOML = """budget = 60
seed = [0, 1]
[[runs]]
problem = ["pde/burgers", "pde/heat"]
activation = ["tanh", "gelu"]
[[runs]]
problem = "pde/poisson"
set = {dimension = [2, 3]}
"""
MEANINGS = [
    "nan",
    "[]",
    "[[]]",
    "{}",
    "1979-05-27",
    "07:32:00",
    "true",
    '""',
    "0x" + "f" * 5000,
    "9" * 5000,
    "[{a = 1}]",
]


@given(data=st.data())
@some(120)
def test_batch_files(data, tmp_path):
    text = TOML
    for _ in range(data.draw(st.integers(1, 2))):
        one = data.draw(st.sampled_from(list(re.finditer(r"\d+|\"[\w/]+\"|\w+(?= =)|\[\[?[^\]]*\]\]?", text))))
        text = text[: one.start()] + data.draw(st.sampled_from([*MEANINGS, *WILD])) + text[one.end() :]
    whole = text.encode()
    file = tmp_path / "batch.toml"
    file.write_bytes(data.draw(st.one_of(st.just(whole), changed_bytes(whole), st.binary(max_size=100))))
    found = read_or_refused(batch.read, file)
    assert found is None or all(isinstance(cell, Cell) for cell in found)


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 20_000,
        "[[runs]]\nproblem = 'x'\n" + "".join(f"{key} = [{'1, ' * 1000}]\n" for key in ("seed", "width", "depth")),
        f"[[runs]]\nproblem = '{'x' * 5000}'",
    ],
)  # fmt: skip
def test_batch_files_of_many(text, tmp_path):
    (tmp_path / "batch.toml").write_text(text)
    with frugal():
        found = read_or_refused(batch.read, tmp_path / "batch.toml")
    assert found is None or max(len(cell.key) for cell in found) < 200


ROW = asdict(Cell("pde/heat")) | {
    "status": "done", "reason": None, "error": 0.1, "relative_l2": {"u": 0.1}, "steps_taken": 5, "max_error": None,
    "loss": 0.1, "seconds": 1.0, "parameters": 7, "unknowns": {}, "stopped": "steps", "device": "cpu", "warnings": [],
    "folder": "x", "wall_seconds": 1.5,
}  # fmt: skip


@given(data=st.data())
@some(120)
def test_rows_of_cells(data, tmp_path):
    """A row that is taken as finished can be put into every table."""
    whole = json.dumps(ROW).encode()
    changed = changed_tree(ROW).map(lambda tree: json.dumps(tree).encode())
    (tmp_path / work.ROW).write_bytes(data.draw(st.one_of(contents(whole), changed, changed)))
    row = work.finished(tmp_path)
    if row is not None:
        assert "| heat" in tables.markdown([row, ROW])
        tables.write_csv([row], tmp_path / "table.csv")


# -- tables, histories, names ------------------------------------------------------------------------------------------

CSV = b"x,t,u\n0,0,1\n0.5,0.25,2e-1\n# remark\n1,1,-3\n"


@given(data=contents(CSV))
@some(150)
def test_tables_of_data(data, tmp_path):
    file = tmp_path / "data.csv"
    file.write_bytes(data)
    found = read_or_refused(cli._columns, file)
    assert found is None or all(values.dtype == float and np.all(np.isfinite(values)) for values in found.values())


HISTORY = b"step,seconds,loss,heat,error,rate\n0,0.1,1,2,,0.5\n10,0.2,0.1,0.2,0.3,0.4\n"


@given(data=contents(HISTORY))
@some(150)
def test_histories(data, tmp_path):
    file = tmp_path / "history.csv"
    file.write_bytes(data)
    found = read_or_refused(History.read, file)
    assert found is None or found.table().shape == (len(found), len(found.columns))


def test_a_harmless_change_is_read(tmp_path):
    (tmp_path / "history.csv").write_bytes(HISTORY.replace(b"\n", b"\r\n").replace(b"0.3", b" 3e-1"))
    assert History.read(tmp_path / "history.csv").column("error")[1] == 0.3
    (tmp_path / "data.csv").write_bytes(b"\xef\xbb\xbf" + CSV.replace(b"2e-1", b" 0.2 "))
    assert cli._columns(tmp_path / "data.csv")["u"].tolist() == [1, 0.2, -3]


@given(name=st.one_of(st.text(max_size=30), changed_bytes(b"adaptive(sin, scale=10, per='layer')").map(repr)))
@some(100)
def test_names_of_activations(name):
    """The text comes from headers and batch files."""
    name = name[2:-1] if name.startswith("b'") else name
    try:
        assert activations.get(name).name
    except ValueError as error:
        assert type(error) is ValueError and "\n" not in str(error)


@pytest.mark.parametrize("name", ["(" * 500, "-" * 100_000 + "1", "bspline(10**9)", "adaptive(3)", "relu_power(true)"])
def test_names_that_are_traps(name):
    with frugal(), pytest.raises(ValueError):
        activations.get(name)
