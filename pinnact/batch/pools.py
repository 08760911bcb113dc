"""Where the jobs of a batch are worked at: processes of this machine, each with cores of its own, or a Dask cluster."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pinnact.batch.cells import Cell
from pinnact.batch.work import Row, failure, keep, written
from pinnact.interrupts import Interrupts

TRIES = 3  # how often a job is begun whose process is killed
POLL, GRACE = 0.05, 120.0  # seconds between two looks; those that a worker has to write its checkpoint


@dataclass(frozen=True)
class Job:
    """Cells that are worked at together, the folder of each, and the seconds between two of their checkpoints."""

    cells: tuple[Cell, ...]
    folders: tuple[Path, ...]
    every: float

    @property
    def plain(self) -> dict[str, Any]:
        """As plain data, which travels to any process."""
        folders = [str(folder.absolute()) for folder in self.folders]
        return {"cells": [asdict(cell) for cell in self.cells], "folders": folders, "every": self.every}

    def rows(self, reason: str = "") -> list[Row]:
        """The rows that its cells have written; for those that have none a failure, written now, with the reason."""
        found = []
        for cell, folder in zip(self.cells, self.folders, strict=True):
            row = written(folder)
            if row is None:
                row = failure(cell, reason) | {"folder": folder.name}
                folder.mkdir(parents=True, exist_ok=True)
                keep(row, folder)
            found.append(row)
        return found


class AbstractPool:
    """Works at jobs, several at a time, and gives them back as they end."""

    @abstractmethod
    def run(self, jobs: Sequence[Job], interrupts: Interrupts) -> Iterator[list[Row]]:
        """The rows of each job as it ends; ends early, with what is at hand saved, once a signal was noted."""

    @property
    @abstractmethod
    def words(self) -> str:
        """Who works, in words."""


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    job: Job
    tries: int
    cores: frozenset[int]
    errors: BinaryIO


@dataclass(frozen=True)
class Processes(AbstractPool):
    """One process a job, `count` at a time, each bound to its share of the cores (on Linux).

    A process of its own means that nothing which ends it (memory, a crash, a kill) ends the batch: the job is begun
    again from its checkpoint, three times in all. By default
    there are as many as cores.
    """

    count: int = 0

    @property
    def groups(self) -> list[frozenset[int]]:
        """The cores of each worker; empty sets where processes can't be bound."""
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        count = self.count or len(cores) or os.cpu_count() or 1
        return [frozenset(cores[i::count]) if i < len(cores) else frozenset(cores) for i in range(count)]

    @property
    def words(self) -> str:
        """How many processes, and the cores of each."""
        sizes = {len(group) for group in self.groups}
        each = f", {'/'.join(map(str, sorted(sizes)))} of {os.cpu_count()} cores each" if max(sizes) else ""
        return f"{len(self.groups)} process{'es' * (len(self.groups) > 1)}{each}"

    def run(self, jobs: Sequence[Job], interrupts: Interrupts) -> Iterator[list[Row]]:
        """The rows of each job as it ends."""
        waiting = deque((job, 1) for job in jobs)
        free, running = list(self.groups), []
        try:
            while waiting or running:
                while waiting and free and not interrupts.stopped:
                    running.append(self._start(*waiting.popleft(), free.pop(0)))
                if interrupts.stopped:
                    return
                ended = [worker for worker in running if worker.process.poll() is not None]
                for worker in ended:
                    running.remove(worker)
                    free.append(worker.cores)
                    reason = self._reason(worker)
                    if worker.process.returncode < 0 and worker.tries < TRIES:
                        waiting.appendleft((worker.job, worker.tries + 1))
                    else:
                        yield worker.job.rows(reason)
                if not ended:
                    time.sleep(POLL)
        finally:
            self._end(running)

    def _start(self, job: Job, tries: int, cores: frozenset[int]) -> _Worker:
        errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed when the process has ended)
        process = subprocess.Popen(
            [sys.executable, "-m", "pinnact.batch.work"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,  # Ctrl-C reaches the batch, which then lets its workers save
        )
        assert process.stdin is not None
        if cores:
            with suppress(OSError):
                os.sched_setaffinity(process.pid, cores)
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(job.plain).encode() + b"\n")
            process.stdin.flush()
        return _Worker(process, job, tries, cores, errors)

    @staticmethod
    def _reason(worker: _Worker) -> str:
        """Why a process ended without rows: the signal, or the last line that it said."""
        code = worker.process.returncode
        worker.errors.seek(0)
        lines = worker.errors.read().decode(errors="replace").strip().splitlines()
        worker.errors.close()
        if worker.process.stdin is not None:
            with suppress(BrokenPipeError):
                worker.process.stdin.close()
        if code < 0:
            name = signal.Signals(-code).name
            return f"its process was ended by {name}, {TRIES} times" + (" (out of memory?)" if code == -9 else "")
        return f"its process ended with {code}: {lines[-1] if lines else 'it said nothing'}"

    @staticmethod
    def _end(running: Sequence[_Worker]) -> None:
        """Let workers save and end; after two minutes they are killed."""
        for worker in running:
            if worker.process.stdin is not None:
                with suppress(BrokenPipeError):
                    worker.process.stdin.close()
        until = time.monotonic() + GRACE
        for worker in running:
            try:
                worker.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            worker.errors.close()
