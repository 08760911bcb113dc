"""Files of solutions and surfaces that chance has changed: read as they were, or refused in one line."""

import json

import equinox as eqx
import jax
import numpy as np
import pytest
from corruption import HUGE, changed_tree, contents, frugal, npz, read_or_refused, sealed, some
from hypothesis import given
from hypothesis import strategies as st
from made_up import decay
from toys import hydrogen
from untrained import untrained

import pinnact as pn
from pinnact import files, storage
from pinnact.potentials import load as load_surface

pytestmark = pytest.mark.usefixtures("no_hang")

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
