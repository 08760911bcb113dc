"""Compiled programs kept between runs: JAX's persistent compilation cache, in a folder for this kind of processor."""

import hashlib
import logging
import os
import platform
from pathlib import Path

import jax

VARIABLE, OFF = "PINNACT_CACHE", "off"  # the environment variable that names the folder; processes hand it on
LARGEST = 2**30  # bytes; beyond that, JAX removes what was used longest ago


def folder() -> Path | None:
    """Where the command line keeps compiled programs: `$PINNACT_CACHE`, or else `~/.cache/pinnact`; None if off.

    Programs for a CPU hold instructions that another CPU may lack, and homes are shared on clusters: a folder below for
    each kind of processor and number of cores.
    """
    given = os.environ.get(VARIABLE)
    if given == OFF:
        return None
    home = Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pinnact"
    return home / hashlib.sha256(_processor().encode()).hexdigest()[:16]


def keep() -> None:
    """Let JAX look for compiled programs in `folder()` and keep new ones there: a second run compiles nothing.

    Does nothing where it is off, where the folder can't be written, and where the user has given JAX a folder already
    (`JAX_COMPILATION_CACHE_DIR`).
    """
    where = folder()
    if where is None or jax.config.jax_compilation_cache_dir is not None:
        return
    try:
        where.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if not os.access(where, os.W_OK):
        return
    # Of each program that is loaded, XLA prints a page on instructions that its compiler merely prefers, as an error.
    jax.config.update("jax_logging_level", "CRITICAL")
    logging.getLogger("jax").setLevel(logging.WARNING)
    jax.config.update("jax_compilation_cache_dir", str(where))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_compilation_cache_max_size", LARGEST)


def cores() -> int:
    """How many cores of the processor this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    """What the system says of the processor: its kind, the instructions it has, the cores this process may use."""
    said = [platform.machine(), platform.processor(), str(cores())]
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = ("model name", "flags", "Features", "CPU part")  # the last two on ARM
    return "\n".join(said + sorted({line for line in lines if line.startswith(named)}))
