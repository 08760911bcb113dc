"""Who computes what runs ask for: a run is a generator of chunks of steps, and is sent what became of each."""

from collections.abc import Callable

from pinnact import hosts
from pinnact.interrupts import Interrupts
from pinnact.run import Run
from pinnact.solution import Solution


def alone(run: Run, before: Callable[[Run], Solution | None] = lambda run: None) -> Solution:
    """Train one run by itself, unless there is a solution `before` that."""
    wishes, compiled, method = run.train(), None, None
    with hosts.noticed(), Interrupts() as run.interrupts, run.line:
        if (found := before(run)) is not None:
            return found
        try:
            wish = next(wishes)
            while True:
                if compiled is None or wish.optimiser is not method:
                    compiled, method = run.flat.chunk(wish.optimiser), wish.optimiser
                try:
                    answer = compiled(*wish[1:])
                except KeyboardInterrupt as stop:
                    wish = wishes.throw(stop)
                else:
                    wish = wishes.send(answer)
        except StopIteration as end:
            return end.value
