"""Seeds of one problem and network trained together: their chunks of steps are one compiled, batched call.

Each seed stays a run of its own, with its own points, stages, history and recoveries; only what they ask for at the
same time is computed at once. On two CPU cores five seeds together cost 3.3 times one at 500 points and 9 times at
4,000, so there a process a core is faster; on an accelerator seeds together are.
"""

import logging
import time
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp

from pinnact.devices import jit
from pinnact.flat import Chunk, Flat, Outcome
from pinnact.interrupts import Interrupts
from pinnact.optimisers import AbstractOptimiser
from pinnact.run import Run
from pinnact.solution import Solution

logger = logging.getLogger("pinnact")
PROBE = 20  # steps by which the gain is measured


def together(runs: Sequence[Run]) -> list[Solution]:
    """Train runs that differ by their seed only, and return their solutions in order, each with the `gain` of all.

    After a signal the gain is None: more steps would only delay the end.
    ValueError where their networks hold different constants (random Fourier features): these can't share a call.
    """
    asked: dict[int, Chunk] = {}
    ended: dict[int, Solution] = {}
    wishes = [run.train() for run in runs]

    def go_on(i: int, step: Callable[[], Chunk]) -> None:
        try:
            asked[i] = step()
        except StopIteration as end:
            ended[i] = end.value

    with Interrupts() as interrupts:
        with runs[0].line:
            for i, run in enumerate(runs):
                run.interrupts = interrupts
                if i:  # what the first has compiled serves all
                    run.shared, run.plan = runs[0].flat, runs[0].plan
                go_on(i, wishes[i].__next__)
            crew = Crew(runs[0].flat, len(runs))
            while asked:
                first = asked[min(asked)]
                method = first.optimiser
                members = [i for i, wish in asked.items() if _alike(wish, first)]
                given = [asked.pop(i) for i in members]
                try:
                    answers = crew.compute(method, given)
                except KeyboardInterrupt as stop:
                    for i in members:
                        go_on(i, lambda i=i, stop=stop: wishes[i].throw(stop))
                    continue
                for i, answer in zip(members, answers, strict=True):
                    go_on(i, lambda i=i, answer=answer: wishes[i].send(answer))
        faster = None if interrupts.stopped else gain(runs)
    if faster is not None:
        logger.info("%d seeds together: %.1f times as fast as one after the other", len(runs), faster)
    for solution in ended.values():
        solution.summary["gain"] = faster
    return [ended[i] for i in range(len(runs))]


def _alike(one: Chunk, other: Chunk) -> bool:
    """Whether one call can compute both: the same method on as many points."""
    shapes = [jax.tree.map(jnp.shape, wish.batches) for wish in (one, other)]
    return bool(eqx.tree_equal(one.optimiser, other.optimiser)) and shapes[0] == shapes[1]


class Crew:
    """Computes the chunks of up to `size` seeds in one call; fewer are filled up by copies that take no step."""

    def __init__(self, flat: Flat, size: int) -> None:
        self.flat, self.size = flat, size
        self.compiled: list[tuple[AbstractOptimiser, Callable[..., Outcome]]] = []

    def compute(self, method: AbstractOptimiser, given: Sequence[Chunk]) -> list[Outcome]:
        """The outcome of each chunk: as many steps for all as the one that asks for the fewest."""
        most = min(int(wish.watch.most) for wish in given)
        alike = [wish._replace(watch=wish.watch._replace(most=jnp.asarray(most, jnp.int32))) for wish in given]
        idle = alike[0]._replace(watch=alike[0].watch._replace(most=jnp.zeros((), jnp.int32)))
        columns = zip(*(wish[1:] for wish in [*alike, *[idle] * (self.size - len(given))]), strict=True)
        found = self._function(method)(*(jax.tree.map(lambda *a: jnp.stack(a), *column) for column in columns))
        return [jax.tree.map(lambda a, i=i: a[i], found) for i in range(len(given))]

    def _function(self, method: AbstractOptimiser) -> Callable[..., Outcome]:
        for known, function in self.compiled:
            if eqx.tree_equal(known, method):
                return function
        function = jit(jax.vmap(self.flat.steps(method)), donate_argnums=(1,))
        self.compiled.append((method, function))
        return function


def gain(runs: Sequence[Run]) -> float:
    """How many times faster all these seeds took their steps together than one after the other would, measured.

    Takes some more steps from where the runs ended, together and one alone, compilation aside; on the points of the
    first, since some may have ended before the stage of more points.
    """
    method, batches, weights = runs[0].plan[0].optimiser, runs[0].batches, runs[0].loss_weights
    crew = Crew(runs[0].flat, len(runs))
    alone = Crew(runs[0].flat, 1)
    wishes = []
    for run in runs:
        value, gradient, _ = run.flat.evaluate(run.good, batches, weights)
        state = run.flat.first(method, run.good, value, gradient)
        wishes.append(Chunk(method, run.good, state, batches, weights, run.watch(PROBE)))
    seconds = []
    for group, given in ((crew, wishes), (alone, wishes[:1])):
        group.compute(method, given)
        began = time.perf_counter()
        jax.block_until_ready(group.compute(method, given))
        seconds.append(time.perf_counter() - began)
    return len(runs) * seconds[1] / seconds[0]
