"""Batches on Dask: several workers on this machine, or those of a scheduler anywhere."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from pinnact import compiled
from pinnact.batch.pools import TRIES, AbstractPool, Job
from pinnact.batch.work import Row, attempt_all
from pinnact.interrupts import Interrupts

LOOK, PATIENCE = 0.3, 20  # seconds between two looks at what has ended; until a scheduler must have answered
MISSING = "a batch on a cluster needs dask.distributed: pip install 'pinnact[cluster]'"


@dataclass(frozen=True)
class Cluster(AbstractPool):
    """Workers of `dask.distributed`: those of the scheduler at `address` (tcp://HOST:PORT), else `count` of our own.

    Our own are one a core unless `count` says otherwise, each bound to its share of the cores and to its share of the
    `memory` of the machine (`memory="4GB"`: that much each); a worker that takes more is started anew, as is one that
    dies, and its job is begun again from its checkpoint, three times in all. The folder of the batch must be one that
    every worker sees under the same path.
    """

    address: str | None = None
    count: int = 0
    memory: str = "auto"

    @property
    def words(self) -> str:
        """Whose workers they are."""
        return f"Dask at {self.address}" if self.address else f"{self._count} Dask workers"

    @property
    def _count(self) -> int:
        return self.count or os.cpu_count() or 1

    def check(self) -> None:
        """Raise ImportError, before anything is written, where dask.distributed is not installed."""
        _dask()

    def run(self, jobs: Sequence[Job], interrupts: Interrupts) -> Iterator[list[Row]]:
        """The rows of each job as it ends."""
        dask, distributed = _dask()
        own = self.address is None
        with ExitStack() as stack:
            # The scheduler gives a job up that saw TRIES workers die; sent in the dark it would try for ever.
            stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": TRIES - 1}))
            address: Any = self.address
            if own:
                address = stack.enter_context(
                    distributed.LocalCluster(
                        n_workers=self._count, threads_per_worker=1, memory_limit=self.memory, dashboard_address=":0"
                    )
                )
            try:
                client = stack.enter_context(distributed.Client(address, timeout=PATIENCE))
            except OSError as error:
                raise ValueError(
                    f"no Dask scheduler answers at {self.address}: start one, or give its address"
                ) from error
            # Small jobs may wait at a worker that is busy for an hour, so each is for whoever is free.
            futures = {
                client.submit(_attempt_all, job.plain, self._count if own else 0, pure=False): job for job in jobs
            }
            stack.callback(client.cancel, list(futures))
            while futures and not interrupts.stopped:
                with suppress(TimeoutError):
                    distributed.wait(list(futures), timeout=LOOK, return_when="FIRST_COMPLETED")
                for future in [future for future in futures if future.done()]:
                    job = futures.pop(future)
                    wrong: Any = future.exception() if future.status == "error" else None
                    yield job.rows("its worker wrote no row" if wrong is None else _reason(wrong))


def _dask() -> tuple[Any, Any]:
    try:
        import dask  # noqa: PLC0415  (optional: pinnact[cluster])
        from dask import distributed  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(MISSING) from error
    return dask, distributed


def _reason(error: BaseException) -> str:
    if type(error).__name__ == "KilledWorker":
        return f"{TRIES} workers died of it (out of memory?)"
    return f"{type(error).__name__}: {error}"


def _attempt_all(job: Mapping[str, Any], count: int) -> int:
    """On a worker: the cells of a job, on the worker's share of the cores; how many there were."""
    if count and hasattr(os, "sched_setaffinity"):
        from distributed import get_worker  # noqa: PLC0415  (a worker has it)

        cores = sorted(os.sched_getaffinity(os.getppid()))
        mine = cores[int(get_worker().name) % count :: count] or cores
        os.sched_setaffinity(0, mine)  # this thread and those that JAX starts from it
    compiled.keep()
    return len(attempt_all(job))
