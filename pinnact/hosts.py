"""Several processes, on one host or on many, that train one run together: joining them, and deciding as one.

Every process computes the same, each with its share of the points. What could differ between them, the clock and
signals, is taken from the first process, so that all of them take the same decisions in the same order.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import jax
import numpy as np
from jax.experimental import multihost_utils

HEARTBEAT = 20  # seconds of silence after which a process counts as lost
SIGNS = ("Gloo", "NCCL", "coordination", "heartbeat", "peer")  # in what is said when a process does not answer
WAIT = 120  # seconds that a process waits for the others to join


class LostError(RuntimeError):
    """Another process of the run is gone, so that no further step can be taken."""


def join(coordinator: str, processes: int, process: int) -> None:
    """Join the run whose process 0 listens at `coordinator` (HOST:PORT) as number `process` of so many `processes`.

    To be called before JAX computes anything. Afterwards `jax.devices()` are those of all processes, and
    `pn.solve(..., devices=jax.devices())` in each of them trains together. ValueError for numbers that don't fit, and
    where the others don't come.
    """
    if processes < 1 or not 0 <= process < processes:
        raise ValueError(f"process {process} of {processes}: give the number of processes, and one from 0 below it")
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"coordinator {coordinator!r}: give HOST:PORT of the first process")
    try:
        jax.distributed.initialize(
            coordinator,
            processes,
            process,
            initialization_timeout=WAIT,
            heartbeat_timeout_seconds=HEARTBEAT,
            shutdown_timeout_seconds=HEARTBEAT,
        )
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        raise ValueError(f"process {process} could not join {processes} processes at {coordinator}: {first}") from error


@contextmanager
def noticed() -> Iterator[None]:
    """LostError where what is done in here fails for want of another process."""
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:  # which of them it is depends on the version of JAX
        if several() and any(sign in str(error) for sign in SIGNS):
            raise LostError(
                "another process of this run is gone; start all of them again, with the same checkpoints, to go on"
            ) from error
        raise


def several() -> bool:
    """Whether this process is one of several."""
    return jax.process_count() > 1


def first() -> bool:
    """Whether this process is the one that writes: the only one, or number 0."""
    return jax.process_index() == 0


def seconds() -> float:
    """A clock that all processes read alike."""
    now = time.perf_counter()
    return float(multihost_utils.broadcast_one_to_all(np.float64(now))) if several() else now


def agreed(word: str, words: tuple[str, ...]) -> str:
    """The `word` that any process says, the last of `words` where they differ; "" where none does."""
    if not several():
        return word
    said = multihost_utils.process_allgather(np.int32(words.index(word) + 1 if word else 0))
    return ("", *words)[int(np.max(said))]
