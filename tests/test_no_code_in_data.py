"""Data never run as code: no reader opens a pickle, and nothing in the library could."""

import ast
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from corruption import read_or_refused, sealed
from made_up import decay
from test_architecture import TREES, label

import pinnact as pn
from pinnact import batch, checkpoints, files, storage
from pinnact.history import History
from pinnact.potentials import load as load_surface
from pinnact.potentials import reading


class Trap:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


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
    (tmp_path / "1.ckpt").write_bytes(sealed({"format": checkpoints.FORMAT, "version": 1}, [as_npy.getvalue()]))
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
