"""JAX's default device: whether it is a CPU, and how functions are compiled for one."""

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax

QUICK: dict[str, Any] = {"xla_cpu_use_fusion_emitters": False}
QUICKEST = QUICK | {"xla_backend_optimization_level": 1}


def device() -> Any:
    """JAX's default device."""
    return jax.config.jax_default_device or jax.devices()[0]


def on_accelerator() -> bool:
    """Whether that is no CPU, with a memory of its own."""
    return device().platform != "cpu"


def jit(function: Callable[..., Any], *, seldom: bool = False, **options: Any) -> Callable[..., Any]:
    """`jax.jit` of a function that no other compiled one calls, for CPUs in about half the time, mostly.

    Steps of training run up to 12 % slower, and what is called `seldom`, compiled in less time again, up to 20 %
    (`docs/experiments.md`). What the environment variable `XLA_FLAGS` says, and what XLA doesn't know, stays as it is.
    """
    wished = {} if on_accelerator() else QUICKEST if seldom else QUICK
    said = os.environ.get("XLA_FLAGS", "")
    chosen = {name: value for name, value in wished.items() if name not in said and _known(name, value)}
    return jax.jit(function, compiler_options=chosen, **options)


@lru_cache
def _known(option: str, value: Any) -> bool:
    """Whether XLA has that option."""
    try:
        jax.jit(lambda: 0, compiler_options={option: value}).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
