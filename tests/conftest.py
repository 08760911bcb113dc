"""Strict settings for every test: float64, no silent rank promotion; warnings are errors (pyproject.toml)."""

import os
import signal
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

if version("jaxlib").startswith("0.10."):  # an XLA that doesn't know one of these ends the process
    # Most of the tests' time is compilation: at -O0 it takes a third, and what is compiled runs a few steps only.
    QUICK = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {QUICK}".strip()

import jax
import pytest
from bad_inputs import make_files

from pinnact import cli
from pinnact.potentials.reading import read

ROOT = Path(__file__).parents[1]
SECONDS = 60  # in which a test of a reader must end
ETHANOL = ROOT / "problems" / "potentials" / "ethanol_test.npz"

# Both workers, and the next run, find what was compiled before.
jax.config.update("jax_compilation_cache_dir", str(ROOT / ".pytest_cache" / "jax"))
os.environ["PINNACT_CACHE"] = str(ROOT / ".pytest_cache" / "pinnact")  # of processes that tests start
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_logging_level", "CRITICAL")  # of XLA, a page on each program that is loaded
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def pinnact(capsys, monkeypatch, tmp_path):
    """Runs the command line in this process, in an empty folder: `(exit code, standard output, standard error)`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["pinnact", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return ended.value.code or 0, shown.out, shown.err

    return run


@pytest.fixture(scope="module", autouse=True)
def forget():
    """Programs that were compiled for a file of tests are let go: thousands of them slow down all that follows."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="session")
def ethanol():
    """The 500 test frames of the shipped ethanol."""
    return read(ETHANOL)


@pytest.fixture
def few(ethanol):
    """Twelve of them."""
    return ethanol[:12]


@pytest.fixture
def no_hang():
    """Fails a test that takes more than a minute: a reader that hangs."""

    def late(*_):
        raise AssertionError(f"a reader hangs: more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def bad_files(tmp_path_factory):
    """A folder with all files that cases of bad input name."""
    return make_files(tmp_path_factory.mktemp("bad"))


@pytest.fixture
def among_bad_files(bad_files, monkeypatch):
    """That folder as the working one, looked at before and after: nothing may be written."""
    monkeypatch.chdir(bad_files)
    content = lambda: {
        path: path.read_bytes() if path.is_file() else None
        for path in bad_files.rglob("*")
        if "__pycache__" not in path.parts
    }
    before = content()
    (bad_files / "locked").chmod(0o500)
    yield
    (bad_files / "locked").chmod(0o700)
    assert content() == before
