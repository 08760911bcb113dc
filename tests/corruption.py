"""What chance makes of files: bytes flipped, cut, doubled, numbers made huge, headers changed and sealed again."""

import hashlib
import io
import json
import re
import tracemalloc
import warnings
import zipfile
from contextlib import contextmanager
from copy import deepcopy

import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

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
            place[key] = deepcopy(draw(VALUES))  # which the next change may change
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
