"""Strict settings for every test: float64, no silent rank promotion; warnings are errors (pyproject.toml)."""

import os
import sys
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import jax
import pytest

from pinnact import cli
from pinnact.potentials.reading import read

ROOT = Path(__file__).parents[1]
ETHANOL = ROOT / "problems" / "potentials" / "ethanol_test.npz"

# Both workers, and the next run, find what was compiled before: most of the tests' time is compilation.
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


@pytest.fixture(scope="session")
def ethanol():
    """The 500 test frames of the shipped ethanol."""
    return read(ETHANOL)


@pytest.fixture
def few(ethanol):
    """Twelve of them."""
    return ethanol[:12]
