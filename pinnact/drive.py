"""Who computes what runs ask for: a run is a generator of chunks of steps, and is sent what became of each."""

from collections.abc import Callable

from pinnact import hosts
from pinnact.interrupts import Interrupts
from pinnact.run import Run
from pinnact.solution import Solution


def alone(
    run: Run,
    before: Callable[[Run], Solution | None] = lambda run: None,
    longer: Callable[[Run, Solution], bool] = lambda run, solution: False,
) -> Solution:
    """Train one run by itself, unless there is a solution `before` that; and on, as often as it should be `longer`."""
    with hosts.noticed(), Interrupts() as run.interrupts, run.line:
        if (found := before(run)) is not None:
            return found
        while longer(run, solution := _driven(run)):
            pass
        return solution


def _driven(run: Run) -> Solution:
    """What a run ends with when its chunks are computed as they are asked for."""
    wishes = run.train()
    try:
        wish = next(wishes)
        while True:
            try:
                answer = run.flat.chunk(wish.optimiser)(*wish[1:])
            except KeyboardInterrupt as stop:
                wish = wishes.throw(stop)
            else:
                wish = wishes.send(answer)
    except StopIteration as end:
        return end.value
