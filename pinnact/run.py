"""One training run: stages of compiled chunks of steps, looked at in between."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pinnact.coefficients import CONSTANTS
from pinnact.collocation import AbstractResampling, Points
from pinnact.history import History
from pinnact.limits import Limits
from pinnact.model import Model, Networks, build_model, describe
from pinnact.optimisers import AbstractOptimiser, Objective, Stage, stages
from pinnact.scoring import Score
from pinnact.solution import Solution
from pinnact.system import Batches, System, not_finite
from pinnact.weights import AbstractWeights

logger = logging.getLogger("pinnact")
CARRIED_AT = 0.35  # the share of a run after which a lift is carried along what is known of the field by then
CHUNK_SECONDS = 0.5  # how long the compiled loop runs between two looks at the clock


@dataclass
class Run:
    """One training run: everything that `solve` was given, and the loop."""

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
    step: int = 0
    stopped: str = ""
    carried: bool = False
    history: History = field(init=False)

    def train(self) -> Solution:
        """Run all stages and return the solution with the last good parameters."""
        started = time.perf_counter()
        self.where = jnp.asarray(self.score.points, float)
        model = build_model(self.system.problem, self.network, jax.random.key(self.seed))
        self.history = History(self.system.names, tuple(self._inferred(model)))
        trainables, static = eqx.partition(model, eqx.is_inexact_array)
        flat, unravel = jax.flatten_util.ravel_pytree(trainables)
        flat = flat.astype(jnp.zeros(()).dtype)
        self.to_model: Callable[[Array], Model] = lambda p: eqx.combine(unravel(p), static)
        self.started = started
        self.evaluate = jax.jit(self._evaluate)
        self.predict = jax.jit(self._predict)
        self.lifted = self.system.lifted(self.where)
        self.batches = self.points.draw(self.system, 1000 * self.seed)
        self.loss_weights = self.weights.start(self.system)
        budget = None if self.limits.steps else self.limits.budget
        plan = stages(self.optimiser, flat.size, self.precision, budget)
        lift_error = self.score.errors(self._values(jnp.zeros_like(flat))) if self.system.ansatz.lift else {}
        self.good = flat
        with self.line:
            try:
                for number, stage in enumerate(plan):
                    self._stage(stage, last=number == len(plan) - 1)
                    if self.stopped not in ("stage", "stalled"):
                        break
            except KeyboardInterrupt:
                self.stopped = "interrupted"
        self.stopped = "steps" if self.stopped == "stage" else self.stopped
        if self.stopped == "not finite" and self.step == 0:
            found = not_finite(self.system, model, self.batches)
            logger.warning("%s before training; correct the equation or the domain", found)
        elif self.stopped == "not finite":
            logger.warning("the loss or a parameter was no longer finite: the state after step %d is kept", self.step)
        return Solution(
            self.system, self.to_model(self.good), self.history, self.score,
            {
                "activation": self.label,
                "network": describe(self.network),
                "parameters": int(flat.size),
                "optimiser": "+".join(stage.optimiser.name for stage in plan),
                "seed": self.seed,
                "precision": self.precision,
                "device": str(next(iter(flat.devices()))),
                "seconds": round(time.perf_counter() - started, 3),
                "steps": self.step,
                "loss": float(self.history.column("loss")[-1]) if len(self.history) else float("nan"),
                "lift_error": lift_error or None,
                "stopped": self.stopped,
                "settings": self._settings(),
            },
            self.network,
        )  # fmt: skip

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

    # -- compiled functions -------------------------------------------------------------------------------------

    def _evaluate(self, p: Array, batches: Batches, weights: dict[str, Array]) -> tuple[Array, Array, dict[str, Array]]:
        """Loss, gradient, and the mean square of each residual."""

        def loss(p: Array) -> tuple[Array, dict[str, Array]]:
            rows = self.system.weighted(self.to_model(p), batches, weights)
            parts = {name: jnp.sum(r**2) / weights[name] for name, r in rows.items()}
            return sum((jnp.sum(r**2) for r in rows.values()), jnp.zeros(())), parts

        (value, parts), gradient = jax.value_and_grad(loss, has_aux=True)(p)
        return value, gradient, parts

    def _predict(self, p: Array, points: Array, lift: Array | None) -> dict[str, Array]:
        return self.system.values(self.to_model(p), points, lift)

    def _objective(self, batches: Batches, weights: dict[str, Array]) -> Objective:
        value = lambda p: self.system.loss(self.to_model(p), batches, weights)
        return Objective(
            value, jax.value_and_grad(value), lambda p: self.system.jacobian(self.to_model(p), batches, weights)
        )

    def _chunk(self, optimiser: AbstractOptimiser) -> Callable[..., tuple]:
        """The compiled loop of one stage: up to `most` steps, ending early when stuck or no longer finite."""

        def chunk(p: Array, state: Any, batches: Batches, weights: dict[str, Array], most: Array) -> tuple:
            objective = self._objective(batches, weights)

            def body(carry: tuple) -> tuple:
                p, state, _, _, count = carry
                step = optimiser.step(objective, p, state)
                return step.parameters, step.state, step.loss, jnp.asarray(step.stalled), count + 1

            def go_on(carry: tuple) -> Array:
                _, _, loss, stalled, count = carry
                return (count < most) & ~stalled & ~jnp.isnan(loss)

            begin = (p, state, jnp.zeros((), p.dtype), jnp.array(False), jnp.array(0))
            return jax.lax.while_loop(go_on, body, begin)

        return jax.jit(chunk, donate_argnums=(1,))

    # -- the loop -----------------------------------------------------------------------------------------------

    def _stage(self, stage: Stage, last: bool) -> None:
        """One stage from the last good parameters, `good`; replaces them as it goes on, and sets `stopped`."""
        optimiser, p = stage.optimiser, self.good
        self.stopped = ""
        if stage.times > 1:
            seed = 1000 * self.seed + self.step + 1
            more = self.points.draw(self.system, seed, stage.times)
            self.batches = self.resampling.spread(self.system, self.to_model(p), more, seed)
        chunk = self._chunk(optimiser)
        value, gradient, parts = self.evaluate(p, self.batches, self.loss_weights)
        if not len(self.history):
            self._log(p, value, parts)
        if not bool(jnp.isfinite(value)):
            self.stopped = "not finite"
            return
        state = _unshared(optimiser.init(p, value, gradient))
        first, begin, size = self.step, time.perf_counter(), 1
        best, best_step = float(value), self.step
        while not self.stopped:
            size = min(size, self._steps_left(stage, first, last))
            clock = time.perf_counter()
            p, state, loss, stalled, count = chunk(p, state, self.batches, self.loss_weights, jnp.asarray(size))
            done, loss = int(count), float(loss)
            spent = time.perf_counter() - clock
            value, _, parts = self.evaluate(p, self.batches, self.loss_weights)
            if not (math.isfinite(loss) and bool(jnp.isfinite(value)) and bool(jnp.all(jnp.isfinite(p)))):
                self.stopped = "not finite"
                return
            self.step += done
            self.good = p
            if spent < 2 * CHUNK_SECONDS or size > 1:  # the first chunk compiles
                size = max(1, min(int(done * CHUNK_SECONDS / max(spent, 1e-4)), 4 * size))
            self._log(p, value, parts)
            if loss < best * (1 - 1e-3):
                best, best_step = loss, self.step
            self.stopped = self._reason(float(value), bool(stalled), best_step, stage, first, begin, last)
            if not self.stopped and self._refresh(p):
                value, gradient, _ = self.evaluate(p, self.batches, self.loss_weights)
                state = _unshared(optimiser.refresh(state, value, gradient))
                best = math.inf

    def _steps_left(self, stage: Stage, first: int, last: bool) -> int:
        """How many steps the next chunk may take before something has to be looked at."""
        left = [10**9]
        if self.limits.steps is not None:
            left.append(self.limits.steps - self.step)
            carried = math.ceil(CARRIED_AT * self.limits.steps)
            if self.step < carried:  # looked at then, however fast the machine is
                left.append(carried - self.step)
        if stage.steps is not None:
            left.append(first + stage.steps - self.step)
        elif stage.share is not None and self.limits.steps is not None and not last:
            left.append(max(1, first + math.ceil(stage.share * self.limits.steps) - self.step))
        for every in (self.resampling.every, self.weights.every):
            if every:
                left.append(every - self.step % every)
        return max(1, min(left))

    def _reason(
        self, loss: float, stalled: bool, best_step: int, stage: Stage, first: int, begin: float, last: bool
    ) -> str:
        """Why to stop now, or an empty string."""
        limits, now = self.limits, time.perf_counter()
        if limits.tolerance is not None and loss <= limits.tolerance:
            return "tolerance"
        if limits.budget is not None and now - self.started >= limits.budget:
            return "budget"
        if limits.steps is not None and self.step >= limits.steps:
            return "steps"
        if limits.patience is not None and self.step - best_step >= limits.patience:
            return "patience" if last else "stage"
        if stage.steps is not None and self.step - first >= stage.steps:
            return "stage"
        if stage.share is not None and not last:
            if limits.budget is not None and now - begin >= stage.share * limits.budget:
                return "stage"
            if limits.steps is not None and self.step - first >= stage.share * limits.steps:
                return "stage"
        return "stalled" if stalled else ""

    def _refresh(self, p: Array) -> bool:
        """A new lift, new points and weights where they are due; whether anything changed."""
        model = self.to_model(p)
        changed = self._carry(model)
        if self.resampling.every and self.step % self.resampling.every == 0:
            batches = self.resampling.redraw(self.system, model, self.batches, 1000 * self.seed + self.step)
            changed = any(batches[name] is not self.batches[name] for name in batches)
            self.batches = batches
        if self.weights.every and self.step % self.weights.every == 0:
            self.loss_weights, self.batches = self.weights.update(self.system, model, self.batches, self.loss_weights)
            changed = True
        return changed

    def _carry(self, model: Model) -> bool:
        """Carry the lift along the field where that is due; whether it changed."""
        if self.carried or self.precision != "float64" or self._share() < CARRIED_AT:
            return False
        self.carried, system = True, self.system.carried(model)
        if system is None:
            return False
        self.system = system
        self.batches = {
            name: batch._replace(lift=system.batch(system.groups[name], np.asarray(batch.points)).lift)
            for name, batch in self.batches.items()
        }
        self.lifted = system.lifted(self.where)
        return True

    def _share(self) -> float:
        """How much of the run is over, from 0 to 1."""
        steps = self.step / self.limits.steps if self.limits.steps else 0.0
        return max(steps, (time.perf_counter() - self.started) / self.limits.budget if self.limits.budget else 0.0)

    def _values(self, p: Array) -> dict[str, np.ndarray]:
        return {name: np.asarray(value) for name, value in self.predict(p, self.where, self.lifted).items()}

    def _inferred(self, model: Model) -> dict[str, float]:
        """The inferred coefficients that are numbers."""
        found = model.coefficients.items()
        constants = {name: np.asarray(c(self.where[0])) for name, c in found if isinstance(c, CONSTANTS)}
        return {name: float(value) for name, value in constants.items() if value.ndim == 0}

    def _log(self, p: Array, loss: Array, parts: dict[str, Array]) -> None:
        errors = self.score.errors(self._values(p)) if self.score.reference else {}
        error = max(errors.values(), default=None)
        seconds = time.perf_counter() - self.started
        inferred = self._inferred(self.to_model(p))
        self.history.append(self.step, seconds, float(loss), {k: float(v) for k, v in parts.items()}, error, inferred)
        self.line.update(self.step, seconds, float(loss), error, self.limits)


def _unshared(state: Any) -> Any:
    """A copy without arrays in common: a chunk is given the state's memory for good, so no array may come twice."""
    return jax.tree.map(jnp.copy, state)
