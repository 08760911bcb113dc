"""How programs are compiled; and kept between runs: found again by a second process, off where wished."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from pinnact import compiled, devices

EMITTERS, LEVEL = "xla_cpu_use_fusion_emitters", "xla_backend_optimization_level"
COMMAND = [sys.executable, "-m", "pinnact"]


@pytest.fixture
def settings():
    """JAX without a folder, as in a new process; put back afterwards."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs", "jax_logging_level")
    names += ("jax_compilation_cache_max_size",)
    before = {name: getattr(jax.config, name) for name in names}
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_the_folder_is_that_of_the_processor(monkeypatch, tmp_path):
    monkeypatch.setenv(compiled.VARIABLE, str(tmp_path))
    here = compiled.folder()
    assert here is not None and here.parent == tmp_path and here == compiled.folder()
    monkeypatch.setattr(compiled, "_processor", lambda: "another")
    other = compiled.folder()
    assert other != here and other is not None and other.parent == tmp_path
    monkeypatch.delenv(compiled.VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert compiled.folder().parent == tmp_path / "home" / "pinnact"
    monkeypatch.setenv(compiled.VARIABLE, compiled.OFF)
    assert compiled.folder() is None


@pytest.mark.usefixtures("settings")
def test_what_is_off_or_cannot_be_written_is_left_alone(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    for given in (compiled.OFF, str(tmp_path / "file")):
        monkeypatch.setenv(compiled.VARIABLE, given)
        compiled.keep()
        assert jax.config.jax_compilation_cache_dir is None
    monkeypatch.setenv(compiled.VARIABLE, str(tmp_path / "new"))
    compiled.keep()
    assert Path(jax.config.jax_compilation_cache_dir).parent == tmp_path / "new"
    monkeypatch.setenv(compiled.VARIABLE, str(tmp_path / "other"))  # where JAX has a folder, that one stays
    compiled.keep()
    assert Path(jax.config.jax_compilation_cache_dir).parent == tmp_path / "new" and not (tmp_path / "other").exists()


def solved(tmp_path, name, *options):
    """The loss after three steps in a process of its own, whose cache is the folder `kept`."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    environment[compiled.VARIABLE] = str(tmp_path / "kept")
    root = str(Path(__file__).parents[1])
    environment["PYTHONPATH"] = os.pathsep.join(p for p in (root, environment.get("PYTHONPATH", "")) if p)
    command = [*COMMAND, *options, "solve", "pde/heat", "--steps", "3", "--width", "6", "--depth", "1", "--quiet"]
    command += ["--out", str(tmp_path / name)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return json.loads((tmp_path / name / "summary.json").read_text())["loss"]


def kept(tmp_path):
    return sorted(path.name for path in (tmp_path / "kept").rglob("*-cache"))


@pytest.mark.slow
def test_a_second_process_compiles_nothing_and_gets_the_same_bits(tmp_path):
    first, programs = solved(tmp_path, "first"), kept(tmp_path)
    assert programs and solved(tmp_path, "second") == first and kept(tmp_path) == programs


@pytest.mark.slow
def test_without_a_cache_nothing_is_kept_and_the_bits_are_the_same(tmp_path):
    without = solved(tmp_path, "without", "--no-cache")
    assert not kept(tmp_path) and solved(tmp_path, "first") == without


@pytest.mark.parametrize(
    ("said", "seldom", "options"),
    [
        ("", False, {EMITTERS: False}),
        ("", True, {EMITTERS: False, LEVEL: 1}),
        (f"--{LEVEL}=0", True, {EMITTERS: False}),
        (f"--{LEVEL}=0 --{EMITTERS}=true", True, {}),
    ],
)
def test_programs_are_compiled_with_fewer_passes_unless_told_otherwise(said, seldom, options, monkeypatch):
    given = []
    monkeypatch.setenv("XLA_FLAGS", said)
    monkeypatch.setattr(devices, "_known", lambda *option: True)
    monkeypatch.setattr(jax, "jit", lambda function, compiler_options: given.append(compiler_options))
    devices.jit(abs, seldom=seldom)
    monkeypatch.setattr(devices, "on_accelerator", lambda: True)
    devices.jit(abs, seldom=seldom)
    assert given == [options, {}]


def test_options_that_another_xla_lacks_are_left_out(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setattr(devices, "QUICK", {"xla_cpu_of_a_later_version": 7})
    assert devices.jit(lambda x: x + 1)(1.0) == 2.0
    assert not devices._known("xla_cpu_of_a_later_version", 7) and devices._known(LEVEL, 1)
