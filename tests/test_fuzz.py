"""Readers and what chance makes of files: they read them, or refuse them in one line; nothing else happens.

Each reader is given arbitrary bytes or text, and valid files that were changed: bytes flipped, cut, doubled, numbers
made infinite, negative or huge, keys of headers changed with the checksum made right again.
"""

import ast
import hashlib
import io
import json
import pickle
import re
import signal
import tracemalloc
import warnings
import zipfile
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import meshio
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from made_up import decay
from test_architecture import TREES, label
from toys import hydrogen
from untrained import untrained

import pinnact as pn
from pinnact import activations, batch, cli, files, storage
from pinnact.batch import tables, work
from pinnact.batch.cells import Cell
from pinnact.checkpoints import Checkpoints, Keeper
from pinnact.history import History
from pinnact.potentials import load as load_surface
from pinnact.potentials import reading

SECONDS = 60  # in which a test must end
HUGE = 10**12
WILD = [
    "nan",
    "inf",
    "-inf",
    "-1",
    "0",
    "1e999",
    "1e308",
    "7.5",
    "9" * 30,
    "9" * 5000,
    "1_0",
    "",
    "x",
    "null",
    "[]",
    "{}",
]
VALUES = st.sampled_from(
    [None, True, -1, 0, 7.5, HUGE, 10**400, float("nan"), float("inf"), "", "x", [], {}, [[1.0]], ["x"], {"x": 1}]
)
DEEP = b"[" * 20_000


def some(examples):
    """Settings that give the same examples on every machine."""
    return settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )  # fmt: skip


@pytest.fixture(autouse=True)
def no_hang():
    def late(*_):
        raise AssertionError(f"a reader hangs: more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@contextmanager
def frugal(megabytes=50):
    """Fails where more memory than that is asked for."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * 2**20
    finally:
        tracemalloc.stop()


def read_or_refused(read, file):
    """What `read` gives; None where it refuses the file in one line that names it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            return read(file)
        except ValueError as error:
            said = str(error)
            assert type(error) is ValueError, f"{type(error).__name__}: {said}"
            assert file.name in said and "\n" not in said and len(said) < 600, said
    return None


def changed_bytes(whole):
    """A valid file with bytes flipped, cut off, a piece doubled, or numbers replaced."""

    @st.composite
    def change(draw):
        data = whole
        for _ in range(draw(st.integers(1, 3))):
            at = draw(st.integers(0, max(len(data) - 1, 0)))
            kind = draw(st.sampled_from(["flip", "cut", "double", "number", "insert"]))
            if kind == "flip" and data:
                data = data[:at] + bytes([data[at] ^ draw(st.integers(1, 255))]) + data[at + 1 :]
            elif kind == "cut":
                data = data[:at]
            elif kind == "double":
                data = data[:at] + data[max(at - draw(st.integers(1, 200)), 0) :]
            elif kind == "insert":
                data = data[:at] + draw(st.binary(max_size=20)) + data[at:]
            elif found := list(re.finditer(rb"-?\d+(\.\d*)?(e[-+]?\d+)?", data)):
                one = draw(st.sampled_from(found))
                data = data[: one.start()] + draw(st.sampled_from(WILD)).encode() + data[one.end() :]
        return data

    return change()


def places(tree, path=()):
    """The paths of all entries of a tree of dictionaries and lists."""
    if path:
        yield path
    for key in tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield from places(tree[key], (*path, key))


@st.composite
def changed_tree(draw, whole):
    """A header with one to three entries replaced, renamed, doubled or removed."""
    tree = json.loads(json.dumps(whole))
    for _ in range(draw(st.integers(1, 3))):
        depth = draw(st.integers(1, 6))
        paths = [path for path in places(tree) if len(path) <= depth]
        if not paths:
            break
        *path, key = draw(st.sampled_from(paths))
        place = tree
        for step in path:
            place = place[step]
        kind = draw(st.sampled_from(["replace", "replace", "remove", "double"]))
        if kind == "replace":
            place[key] = draw(VALUES)
        elif kind == "remove":
            del place[key]
        elif isinstance(place, list):
            place.append(place[key])
        else:
            place[draw(st.sampled_from(["x", str(key) + "x"]))] = place.pop(key)
    return tree


def contents(whole):
    return st.one_of(st.binary(max_size=300), changed_bytes(whole), changed_bytes(whole), changed_bytes(whole))


def sealed(header, arrays):
    """A file of arrays with the right checksum."""
    out = io.BytesIO()
    out.write(json.dumps(header).encode() + b"\n")
    for array in arrays:
        out.write(array if isinstance(array, bytes) else npy(array))
    return out.getvalue() + hashlib.sha256(out.getvalue()).digest()


def npy(array, **forged):
    """An array as `npy` has it; `forged` entries of its header say what isn't so."""
    out = io.BytesIO()
    array = np.asarray(array)
    header = {"shape": array.shape, "fortran_order": False, "descr": np.lib.format.dtype_to_descr(array.dtype)}
    np.lib.format.write_array_header_1_0(out, header | forged)
    return out.getvalue() + array.tobytes()


def npz(**parts):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, part in parts.items():
            file.writestr(f"{name}.npy", part if isinstance(part, bytes) else npy(part))
    return out.getvalue()


FORGED = {
    "shape": npy(np.zeros(3), shape=(HUGE,)),
    "overflowing shape": npy(np.zeros(3), shape=(2**62, 2**62)),
    "endless shape": npy(np.zeros(3), shape=(0, 10**40)),
    "negative shape": npy(np.zeros(3), shape=(-3,)),
    "two negatives": npy(np.zeros(3), shape=(-1, -3)),
    "many axes": npy(np.zeros(1), shape=(1,) * 200),
    "texts without letters": npy(np.zeros(0), shape=(HUGE,), descr="<U0"),
    "objects": npy(np.zeros(3), descr="|O"),
    "no type": npy(np.zeros(3), descr="<q9"),
    "long texts": npy(np.zeros(3), descr=f"<U{HUGE}"),
    "deep": npy(np.zeros(3)).replace(b"(3,)", b"(" * 4),
    "version 3": npy(np.zeros(3)).replace(b"\x93NUMPY\x01", b"\x93NUMPY\x03"),
}


class Trap:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


# -- checkpoints and files of arrays -----------------------------------------------------------------------------------

HEADER = {"format": "pinnact checkpoint", "version": 1, "step": 14, "run": {"seed": 0}, "numbers": {"at": 14}}
ARRAYS = [np.arange(50.0), np.arange(3, dtype=np.int32)]


@given(data=contents(sealed(HEADER, ARRAYS)))
@some(150)
def test_files_of_arrays(data, tmp_path):
    file = tmp_path / "a.ckpt"
    file.write_bytes(data)
    found = read_or_refused(lambda path: files.read_arrays(path, "pinnact checkpoint", 1), file)
    assert found is None or (found[0] == HEADER and all(np.array_equal(*pair) for pair in zip(found[1], ARRAYS)))


@pytest.mark.parametrize("name", FORGED)
def test_sizes_that_are_only_claimed(name, tmp_path):
    file = tmp_path / "a.ckpt"
    file.write_bytes(sealed(HEADER, [FORGED[name]]))
    with frugal():
        assert read_or_refused(lambda path: files.read_arrays(path, "pinnact checkpoint", 1), file) is None
    file = tmp_path / "a.npz"
    file.write_bytes(npz(z=[1, 1], R=FORGED[name]))
    with frugal():
        assert read_or_refused(reading.read, file) is None


@pytest.mark.parametrize(
    "text", [DEEP, b'{"format": ' + DEEP, b'{"version": ' + b"9" * 5000 + b"}", b"\xff\xfe", b"\0"]
)
def test_headers_that_are_none(text, tmp_path):
    file = tmp_path / "a.ckpt"
    file.write_bytes(text + b"\n" + hashlib.sha256(text + b"\n").digest())
    assert read_or_refused(lambda path: files.read_arrays(path, "pinnact checkpoint", 1), file) is None


@pytest.fixture
def kept(tmp_path):
    """A folder with two checkpoints, its keeper, and the newest file."""
    with Keeper(tmp_path, {"seed": 0}) as keeper:
        for step in (10, 14):
            keeper.save(step, {"at": step}, {"x": jnp.arange(5.0) + step})
        newest = Checkpoints(tmp_path).files[0]
        yield keeper, newest, *files.read_arrays(newest, "pinnact checkpoint", 1)


@given(data=st.data())
@some(60)
def test_checkpoints(data, kept):
    """The checkpoint itself, or the one before it; or it is of another run."""
    keeper, newest, header, arrays = kept
    newest.write_bytes(sealed(data.draw(changed_tree(header)), arrays))
    saved = read_or_refused(lambda _: keeper.newest(), newest)
    assert saved is None or saved.path == newest or saved.numbers == {"at": 10}


# -- solutions ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """A solution with a Fourier embedding in a file, its bytes, header and arrays."""
    file = tmp_path_factory.mktemp("solved") / "solution.eqx"
    untrained(decay(), pn.MLP(3, 2, fourier=pn.Fourier(2, 1.0))).save(file)
    return file.read_bytes(), *files.read_arrays(file, storage.FORMAT, storage.VERSION)


@given(data=st.data())
@some(60)
def test_solutions(data, solved, tmp_path):
    whole, header, arrays = solved
    file = tmp_path / "solution.eqx"
    file.write_bytes(
        data.draw(st.one_of(contents(whole), *[changed_tree(header).map(lambda h: sealed(h, arrays))] * 4))
    )
    found = read_or_refused(lambda path: storage.load(path, decay()), file)
    leaves = [] if found is None else jax.tree.leaves(eqx.filter(found.model, eqx.is_array))
    assert all(np.array_equal(*pair) for pair in zip(leaves, arrays))


def network(**changes):
    return lambda header: header["network"].update(changes)


BIGGER = {
    "width": network(width=HUGE),
    "depth": network(depth=HUGE),
    "features": network(fourier={"recipe": "Fourier", "count": HUGE, "scale": 1.0}),
    "more features": network(fourier={"recipe": "Fourier", "count": 40_000, "scale": 1.0}, width=1, depth=1),
    "activation": network(activation=f"bspline({HUGE})"),
    "knots": network(activation=f"bspline(3, knots={HUGE})"),
    "another recipe": network(recipe="Path"),
    "in a circle": lambda header: header.update(network=json.loads('{"by_unknown":{"u":' * 200 + "1" + "}}" * 200)),
    "copies": lambda header: header.update(along=HUGE),
    "fewer than none": lambda header: header.update(along=-1),
    "rows": lambda header: header["frequencies"][0].pop(),
    "check": lambda header: header.update(check={"u": [[0.0]]}),
    "history": lambda header: header["history"]["rows"].append({"step": 10**400}),
}


@pytest.mark.parametrize("name", BIGGER)
def test_solutions_that_claim_more_than_they_hold(name, solved, tmp_path):
    _, header, arrays = solved
    header = json.loads(json.dumps(header))
    BIGGER[name](header)
    file = tmp_path / "solution.eqx"
    file.write_bytes(sealed(header, arrays))
    with frugal():
        assert read_or_refused(lambda path: pn.load(path, decay()), file) is None


# -- surfaces ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A surface of a few frames in a file, its bytes, header and arrays."""
    folder = tmp_path_factory.mktemp("fitted")
    pn.potentials.fit(hydrogen(6), pn.potentials.InvariantMLP(width=3, depth=1), steps=1).save(folder)
    arrays = files.read_npz(folder / "surface.npz")
    header = json.loads(arrays.pop("header").tobytes())
    return (folder / "surface.npz").read_bytes(), header, arrays


def surface_file(header, arrays):
    return npz(header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)


@given(data=st.data())
@some(100)
def test_surfaces(data, fitted, tmp_path):
    whole, header, arrays = fitted
    changed = changed_tree(header).map(lambda h: surface_file(h, arrays))
    (tmp_path / "surface.npz").write_bytes(data.draw(st.one_of(contents(whole), changed, changed)))
    read_or_refused(lambda path: load_surface(path.parent), tmp_path / "surface.npz")


@pytest.mark.parametrize(
    "node",
    [
        {"function": "pinnact.batch.pools:subprocess"},
        {"function": "pinnact.files:os"},
        {"function": "os:system"},
        {"class": "pinnact.files:Path", "fields": {}},
        {"class": "pinnact.potentials.storage:load", "fields": {}},
        {"class": "pinnact.not_there:Thing", "fields": {}},
        {"class": "pinnact.cli:main", "fields": {}},
        {"class": "pinnact.potentials.configurations:Geometry", "fields": {"numbers": 1}},
        {"activation": "__import__('os').getcwd()", "arrays": []},
        {"activation": 3, "arrays": []},
        {"array": "missing"},
        {"tuple": 3},
        {"mapping": [[[], 1]]},
    ],
)
def test_surfaces_name_only_what_the_library_has(node, fitted, tmp_path):
    _, header, arrays = fitted
    (tmp_path / "surface.npz").write_bytes(surface_file(header | {"potential": node}, arrays))
    assert read_or_refused(lambda path: load_surface(path.parent), tmp_path / "surface.npz") is None


# -- frames ------------------------------------------------------------------------------------------------------------

ODD = st.sampled_from([np.nan, np.inf, -1.0, 0.0, 1e300, -1e300, 1e-300, 86, 87, 2.0**63])


@given(data=st.data())
@some(120)
def test_frames_in_npz(data, tmp_path):
    c = hydrogen(6)
    parts = {"z": c.molecule, "R": c.positions, "E": c.energies, "F": c.forces, "e_unit": np.array("eV")}
    parts |= {
        "cells": np.broadcast_to(9.0 * np.eye(3), (6, 3, 3)),
        "isolated_z": np.array([1]),
        "isolated_E": np.ones(1),
    }
    if data.draw(st.booleans()):
        written = data.draw(contents(npz(**parts)))
    else:
        name = data.draw(st.sampled_from([*parts, "order", "stresses"]))
        array = np.array(parts.get(name, np.zeros(6)))
        if data.draw(st.booleans()) and array.dtype.kind != "U":
            array = array.astype(float)
            array.flat[data.draw(st.integers(0, array.size - 1))] = data.draw(ODD)
        else:
            others = [
                array[..., None],
                array[:0] if array.ndim else array,
                array.astype(str),
                array.astype("S"),
                3.0,
                "",
            ]
            others += [
                array.astype(complex) if array.dtype.kind != "U" else 1j,
                np.zeros((2, 0, 3)),
                array.T,
                ["eV", "a"],
            ]
            array = np.array(data.draw(st.sampled_from(others)))
        written = npz(**parts | {name: array})
    file = tmp_path / "frames.npz"
    file.write_bytes(written)
    found = read_or_refused(reading.read, file)
    assert found is None or np.all(np.isfinite(found.positions))


XYZ = """2
Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.5 stress="1 2 3 4 5 6" pbc="T T T"
H 0.0 0.0 0.0 0.0 0.0 2.5
H 0.0 0.0 0.8 0.0 0.0 -2.5
2
Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.4 virial="1 0 0 0 1 0 0 0 1" pbc="T T T"
H 0.0 0.0 0.0 0.0 0.0 2.4
H 0.0 0.0 0.9 0.0 0.0 -2.4
"""
WORDS = [
    "T",
    "F",
    "R",
    "S",
    "I",
    "energy",
    "energy={}",
    "forces",
    "Xx",
    "_JSON",
    "-1",
    "99999999999",
    "1e400",
    "nan",
    '"',
]


@given(data=st.data())
@some(120)
def test_frames_in_extended_xyz(data, tmp_path):
    pytest.importorskip("ase")
    text = XYZ
    if data.draw(st.booleans()):
        found = list(re.finditer(r"[\w.+-]+", text))
        one = data.draw(st.sampled_from(found))
        text = text[: one.start()] + data.draw(st.sampled_from(WORDS)) + text[one.end() :]
    file = tmp_path / "frames.xyz"
    file.write_bytes(
        data.draw(st.one_of(st.just(text.encode()), changed_bytes(text.encode()), st.binary(max_size=200)))
    )
    found = read_or_refused(reading.read, file)
    assert found is None or np.all(np.isfinite(found.positions))
    read_or_refused(reading.read_geometry, file)


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


# -- meshes, tables, names ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def meshes(tmp_path_factory):
    """A square of two triangles in several formats."""
    folder, found = tmp_path_factory.mktemp("meshes"), {}
    square = meshio.Mesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [("triangle", [[0, 1, 2], [0, 2, 3]])])
    for name, suffix in {"gmsh": ".msh", "vtk": ".vtk", "vtu": ".vtu", "abaqus": ".inp"}.items():
        square.write(folder / f"square{suffix}", file_format=name)
        found[suffix] = (folder / f"square{suffix}").read_bytes()
    return found


@given(data=st.data())
@some(120)
def test_meshes(data, meshes, tmp_path, capsys):
    suffix = data.draw(st.sampled_from([*meshes, ".xdmf", ".stl", ".ply", ".med", ".nonsense"]))
    file = tmp_path / f"square{suffix}"
    file.write_bytes(data.draw(contents(meshes.get(suffix, meshes[".vtu"]))))
    found = read_or_refused(pn.read_mesh, file)
    assert found is None or 0 < found.measure < np.inf


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


# -- no code in data ---------------------------------------------------------------------------------------------------


def test_a_pickle_is_never_opened(tmp_path):
    """Objects in npy, npz, checkpoints and surfaces, and pickles under every name: no file is made."""
    made = tmp_path / "made"
    trap = np.empty(2, object)
    trap[:] = [Trap(made), Trap(made)]
    bare = pickle.dumps(Trap(made))
    as_npy = io.BytesIO()
    np.save(as_npy, trap, allow_pickle=True)
    np.savez(tmp_path / "frames.npz", z=trap, R=trap, E=trap, F=trap)
    np.savez(tmp_path / "surface.npz", header=trap)
    (tmp_path / "solution.eqx").write_bytes(sealed({"format": storage.FORMAT, "version": 1}, [as_npy.getvalue()]))
    (tmp_path / "1.ckpt").write_bytes(sealed(HEADER, [as_npy.getvalue()]))
    for name in ("bare.npz", "bare.xyz", "bare.msh", "bare.vtk", "bare.traj", "bare.npy", "history.csv", "b.toml"):
        (tmp_path / name).write_bytes(bare)
    readers = {
        "frames.npz": reading.read, "bare.npz": reading.read, "bare.xyz": reading.read, "bare.traj": reading.read,
        "bare.npy": reading.read, "surface.npz": lambda path: load_surface(path.parent), "b.toml": batch.read,
        "solution.eqx": lambda path: pn.load(path, decay()), "bare.msh": pn.read_mesh, "bare.vtk": pn.read_mesh,
        "1.ckpt": lambda path: files.read_arrays(path, "pinnact checkpoint", 1), "history.csv": History.read,
    }  # fmt: skip
    for name, read in readers.items():
        assert read_or_refused(read, tmp_path / name) is None
    assert not made.exists()
    pickle.loads(bare)
    assert made.exists()


@pytest.mark.parametrize("path", TREES, ids=label)
def test_nothing_runs_code_from_data(path):
    """No pickle, marshal, shelve, eval or exec; `allow_pickle` is never true. Problems are Python, and run as such."""
    for node in ast.walk(TREES[path]):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {name.split(".")[0] for name in names} & {
            "pickle",
            "cloudpickle",
            "dill",
            "marshal",
            "shelve",
            "joblib",
        }
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in ("eval", "exec", "compile", "np.load", "numpy.load", "__import__")
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert ast.unparse(node.value) == "False"
