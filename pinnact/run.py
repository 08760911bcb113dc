"""One training run: stages of compiled chunks of steps, looked at in between, and kept in checkpoints."""

import logging
import math
import threading
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pinnact import hosts, memory
from pinnact.checkpoints import Keeper
from pinnact.coefficients import CONSTANTS
from pinnact.collocation import AbstractResampling, Points
from pinnact.flat import Chunk, Flat, Outcome, Watch
from pinnact.history import History
from pinnact.interrupts import WORDS, Interrupts
from pinnact.limits import Limits
from pinnact.model import Model, Networks, build_model, describe
from pinnact.optimisers import AbstractOptimiser, Stage, described, stages
from pinnact.placement import AbstractPlacement
from pinnact.resuming import RECOVERIES, Position, resume, save
from pinnact.scoring import Score
from pinnact.solution import Solution
from pinnact.system import System, not_finite
from pinnact.weights import AbstractWeights

logger = logging.getLogger("pinnact")
CARRIED_AT = 0.35  # the share of a run after which a lift is carried along what is known of the field by then
CHUNK_SECONDS, LONGEST_CHUNK = 0.5, 5.0  # how long the compiled loop runs between two looks: longer in long runs

Wishes = Generator[Chunk, Outcome, Any]


@dataclass
class Run:
    """One training run: everything that `solve` was given, and the loop, as a generator of what is to be computed."""

    system: System
    network: Networks
    limits: Limits
    points: Points
    weights: AbstractWeights
    resampling: AbstractResampling
    optimiser: str | AbstractOptimiser | Sequence[Stage]
    seed: int
    precision: str
    score: Score
    line: Any
    label: str
    keeper: Keeper
    place: AbstractPlacement
    started: float  # what the clock said when `solve` began
    at: Position = field(default_factory=Position)
    stopped: str = ""
    history: History = field(init=False)
    stepping: threading.Event = field(default_factory=threading.Event)  # set by the first steps
    shared: Flat | None = None  # of another seed
    plan: Sequence[Stage] = ()  # of another seed as well, since functions of Optax equal only themselves
    interrupts: Interrupts = field(default_factory=Interrupts)
    read: float = 0.0  # what the clock said last
    prepared: bool = False

    def prepare(self) -> None:
        """Build the network, draw the first points, and go to where a checkpoint was written, if there is one."""
        saved = self.keeper.newest()
        self.where = jnp.asarray(self.score.points, float)
        model = build_model(self.system.problem, self.network, jax.random.key(self.seed))
        self.history = History(self.system.names, tuple(self._inferred(model)))
        self.flat = Flat(self.system, model, self.place) if self.shared is None else self.shared.sharing(model)
        self.lifted = self.system.lifted(self.where)
        self.batches = self.points.draw(self.system, 1000 * self.seed)
        self.loss_weights = self.weights.start(self.system)
        self.good = self.flat.start
        budget = None if self.limits.steps else self.limits.budget
        size, dimension = self.good.size, self.system.problem.domain.dimension
        plan = self.plan = self.plan or stages(self.optimiser, size, self.precision, budget, dimension)
        self.methods = described(plan, timed=not (isinstance(self.optimiser, str) and self.optimiser == "auto"))
        memory.check(self.system, model, self.batches, plan, self.flat.most)
        built_in = self.system.ansatz.built_in
        self.lift_error = self.score.errors(self._values(jnp.zeros_like(self.good))) if built_in else None
        self.state = None if saved is None else resume(self, saved)
        self.prepared = True

    def train(self) -> Wishes:
        """Run all stages and return the solution with the last good parameters."""
        if not self.prepared:
            self.prepare()
        try:
            for number in range(self.at.stage, len(self.plan)):
                begun, self.at.stage = number == self.at.stage and self.state is not None, number
                yield from self._stage(self.plan[number], begun, last=number == len(self.plan) - 1)
                if self.stopped not in ("stage", "stalled"):
                    break
            save(self)
        except KeyboardInterrupt:
            self.stopped = self.interrupts.stopped or "interrupted"
        self.stopped = "steps" if self.stopped == "stage" else self.stopped
        if self.stopped == "not finite" and self.at.step == 0:
            found = not_finite(self.system, self.flat.model(self.flat.start), self.batches)
            logger.warning("%s before training; correct the equation or the domain", found)
        elif self.stopped == "not finite":
            logger.warning(
                "the loss or a parameter was no longer finite: the state after step %d is kept", self.at.step
            )
        return self.solution()

    def solution(self) -> Solution:
        """The solution with the last good parameters."""
        return Solution(
            self.system.widened(), self.flat.model(self.good), self.history, self.score,
            {
                "activation": self.label,
                "network": describe(self.network),
                "parameters": int(self.good.size),
                "optimiser": "+".join(name for name, _ in groupby(stage.optimiser.name for stage in self.plan)),
                "seed": self.seed,
                "precision": self.precision,
                "device": self.place.words,
                "seconds": round(self._now(), 3),
                "steps": self.at.step,
                "loss": float(self.history.column("loss")[-1]) if len(self.history) else float("nan"),
                "lift_error": self.lift_error or None,
                "stopped": self.stopped,
                "settings": self._settings(),
                "resumed": self.at.resumed,
                "recovered": self.at.recovered,
            },
            self.network,
        )  # fmt: skip

    def _now(self) -> float:
        """Seconds of training, those of earlier processes included: to be asked by all processes of a run alike."""
        self.read = self.at.seconds + hosts.seconds() - self.started
        return self.read

    def _settings(self) -> dict[str, Any]:
        """What else the run was given, in words: with the problem's file it can be repeated."""
        problem = self.system.problem
        return {
            **asdict(self.limits),
            "points": repr(self.points),
            "weights": repr(self.weights),
            "resampling": repr(self.resampling),
            "inferred": {name: repr(guess) for name, guess in problem.inferred.items()},
            "observed": [{"points": len(o.points), "unknowns": list(o.values)} for o in problem.observations],
        }

    # -- the loop -----------------------------------------------------------------------------------------------

    def _stage(self, stage: Stage, begun: bool, last: bool) -> Wishes:
        """One stage, begun or gone on with: moves `good`, `state` and `at`, and sets `stopped`."""
        at, optimiser = self.at, self.method(stage)
        if begun:
            self.stopped = self._reason(stage, last)
        else:
            self._begin(stage)
        size, refreshed = 1, at.first
        while not self.stopped:
            due, refreshed = at.step > refreshed, at.step  # once a step, also where it is gone back to
            if due and self._refresh():
                value, gradient, _ = self._evaluate(self.good)
                self.state = self.flat.refreshed(optimiser, self.state, value, gradient)
                at.best, at.since = math.inf, 0
            size = min(size, self._steps_left(stage, last))
            clock = hosts.seconds()
            watch = self.watch(size)
            found = yield Chunk(optimiser, self.good, self.state, self.batches, self.loss_weights, watch)
            done, spent = int(found.count), hosts.seconds() - clock
            finite, parts = self._take(found, done)
            if not finite:
                if len(at.recovered) == RECOVERIES:
                    self.stopped = "not finite"
                    self._log(at.loss, parts)
                    return
                at.recovered.append(at.step)
                logger.warning("the loss or a parameter was no longer finite: on from step %d, with more care", at.step)
                optimiser, size = self.method(stage), 1
                self._log(at.loss, self._restart(optimiser))
                continue
            most = min(LONGEST_CHUNK, max(CHUNK_SECONDS, 0.005 * self._now()))
            if spent < 2 * most or size > 1:  # the first chunk compiles
                size = max(1, min(int(done * most / max(spent, 1e-4)), 4 * size))
            self._log(at.loss, parts)
            self.stopped = self._reason(stage, last)
            if not self.stopped and self.keeper.due:
                save(self)
        if self.stopped in ("stage", "stalled") and not last:
            goes_on = self.stopped == "stage" and eqx.tree_equal(self.plan[at.stage + 1].optimiser, stage.optimiser)
            self.state = self.state if goes_on else None

    def method(self, stage: Stage) -> AbstractOptimiser:
        """The optimiser of a stage, with more care after each recovery; the same object before any."""
        times = len(self.at.recovered)
        return stage.optimiser.eased(times) if times else stage.optimiser

    def watch(self, most: int) -> Watch:
        """What ends the next chunk."""
        at, limits = self.at, self.limits
        whole = lambda value: jnp.asarray(value, jnp.int32)
        real = lambda value: jnp.asarray(value, self.good.dtype)
        tolerance = -math.inf if limits.tolerance is None else limits.tolerance
        patience = 2**31 - 1 if limits.patience is None else limits.patience
        return Watch(
            whole(most), real(tolerance), whole(patience), real(at.seen), real(at.best), whole(min(at.since, patience)),
            whole(self.seed), whole(at.step),
        )  # fmt: skip

    def _take(self, found: Outcome, done: int) -> tuple[bool, dict[str, Array]]:
        """Move to the last good parameters of a chunk; whether all stayed finite, and the mean squares there."""
        at = self.at
        p, steps = found.parameters, done
        value, _, parts = self._evaluate(p)
        finite = bool(found.finite) and math.isfinite(value)
        if not math.isfinite(value):  # of a method that knows only the loss of the step before
            p, steps = (found.before, done - 1) if done else (self.good, 0)
            value, _, parts = self._evaluate(p)
        self.good, self.state, at.loss, at.stalled = p, found.state, float(value), bool(found.stalled)
        at.step += steps
        at.seen, at.best, at.since = float(found.loss), float(found.best), int(found.since)
        self.stepping.set()
        return finite, parts

    def _begin(self, stage: Stage) -> None:
        """The first state of a stage, from the last good parameters."""
        at, self.stopped = self.at, ""
        if stage.times > 1:
            seed = 1000 * self.seed + at.step + 1
            more = self.points.draw(self.system, seed, stage.times)
            self.batches = self.resampling.spread(self.system, self.flat.model(self.good), more, seed)
        parts = self._restart(self.method(stage), self.state)
        if not len(self.history):
            self._log(at.loss, parts)
        if not math.isfinite(at.loss):
            self.stopped, self.state = "not finite", None
        at.first, at.begun, at.since = at.step, self._now(), 0

    def _restart(self, optimiser: AbstractOptimiser, state: Any = None) -> dict[str, Array]:
        """The optimiser's first state at the last good parameters, or one that it goes on from; the mean squares of the
        residuals there."""
        value, gradient, parts = self._evaluate(self.good)
        if state is None:
            self.state = self.flat.first(optimiser, self.good, value, gradient)
        else:
            self.state = self.flat.refreshed(optimiser, state, value, gradient)
        self.at.loss, self.at.best, self.at.stalled = float(value), float(value), False
        return parts

    def _evaluate(self, p: Array) -> tuple[Array, Array, dict[str, Array]]:
        return self.flat.evaluate(p, self.batches, self.loss_weights)

    def _steps_left(self, stage: Stage, last: bool) -> int:
        """How many steps the next chunk may take before something has to be looked at."""
        at, left = self.at, [10**9]
        if self.limits.steps is not None:
            left.append(self.limits.steps - at.step)
            carried = math.ceil(CARRIED_AT * self.limits.steps)
            if at.step < carried:  # looked at then, however fast the machine is
                left.append(carried - at.step)
        if stage.steps is not None:
            left.append(at.first + stage.steps - at.step)
        elif stage.share is not None and self.limits.steps is not None and not last:
            left.append(max(1, at.first + math.ceil(stage.share * self.limits.steps) - at.step))
        for every in (self.resampling.interval(at.step + 1), self.weights.every):
            if every:
                left.append(every - at.step % every)
        return max(1, min(left))

    def _reason(self, stage: Stage, last: bool) -> str:
        """Why to stop now, or an empty string."""
        limits, at, now = self.limits, self.at, self._now()
        if limits.tolerance is not None and at.seen <= limits.tolerance:
            return "tolerance"
        if limits.budget is not None and now >= limits.budget:
            return "budget"
        if limits.steps is not None and at.step >= limits.steps:
            return "steps"
        if signalled := hosts.agreed(self.interrupts.stopped, tuple(WORDS.values())):
            return signalled
        if limits.patience is not None and at.since >= limits.patience:
            return "patience" if last else "stage"
        if stage.steps is not None and at.step - at.first >= stage.steps:
            return "stage"
        if stage.share is not None and not last:
            if limits.budget is not None and now - at.begun >= stage.share * limits.budget:
                return "stage"
            if limits.steps is not None and at.step - at.first >= stage.share * limits.steps:
                return "stage"
        return "stalled" if at.stalled else ""

    def _refresh(self) -> bool:
        """A new lift, new points and weights where they are due; whether anything changed."""
        model, step = self.flat.model(self.good), self.at.step
        changed = self._carry(model)
        if (every := self.resampling.interval(step)) and step % every == 0:
            batches = self.resampling.redraw(self.system, model, self.batches, 1000 * self.seed + step)
            changed |= any(batches[name] is not self.batches[name] for name in batches)
            self.batches = batches
        if self.weights.every and step % self.weights.every == 0:
            self.loss_weights, self.batches = self.weights.update(self.system, model, self.batches, self.loss_weights)
            changed = True
        return changed

    def _carry(self, model: Model) -> bool:
        """Carry the lift along the field where that is due; whether it changed."""
        if self.at.carried or self.precision == "float32" or self._share() < CARRIED_AT:
            return False
        self.at.carried, system = True, self.system.carried(model)
        if system is None:
            return False
        self.system = system
        self.batches = system.relifted(self.batches)
        self.lifted = system.lifted(self.where)
        return True

    def _share(self) -> float:
        """How much of the run is over, from 0 to 1."""
        steps = self.at.step / self.limits.steps if self.limits.steps else 0.0
        return max(steps, self._now() / self.limits.budget if self.limits.budget else 0.0)

    def _values(self, p: Array) -> dict[str, np.ndarray]:
        return {name: np.asarray(value) for name, value in self.flat.predict(p, self.where, self.lifted).items()}

    def _inferred(self, model: Model) -> dict[str, float]:
        """The inferred coefficients that are numbers."""
        found = model.coefficients.items()
        constants = {name: np.asarray(c(self.where[0])) for name, c in found if isinstance(c, CONSTANTS)}
        return {name: float(value) for name, value in constants.items() if value.ndim == 0}

    def _log(self, loss: float, parts: dict[str, Array]) -> None:
        errors = self.score.errors(self._values(self.good)) if self.score.reference else {}
        error = max(errors.values(), default=None)
        step, seconds, inferred = self.at.step, self._now(), self._inferred(self.flat.model(self.good))
        self.history.append(step, seconds, loss, {k: float(v) for k, v in parts.items()}, error, inferred)
        self.line.update(step, seconds, loss, error, self.limits)
