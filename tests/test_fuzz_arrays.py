"""Files of arrays and checkpoints that chance has changed: read as they were, or refused in one line."""

import hashlib

import jax.numpy as jnp
import numpy as np
import pytest
from corruption import DEEP, FORGED, changed_tree, contents, frugal, npz, read_or_refused, sealed, some
from hypothesis import given
from hypothesis import strategies as st

from pinnact import files
from pinnact.checkpoints import Checkpoints, Keeper
from pinnact.potentials import reading

pytestmark = pytest.mark.usefixtures("no_hang")
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
