"""Force matching: a network's parameters by Adam on energies and forces, averaged, within a budget.

    loss = mean over frames of  energy_weight ((E - E_ref) / atoms)^2 + force_weight mean |F - F_ref|^2

with weights in (eV/atom)^-2 and (eV/angstrom)^-2.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from pinnact.checkpoints import Keeper
from pinnact.history import History
from pinnact.interrupts import Interrupts
from pinnact.limits import Limits
from pinnact.potentials.configurations import Configurations
from pinnact.potentials.potential import AbstractPotential, is_trained
from pinnact.precision import precision
from pinnact.progress import NoProgress, ProgressLine
from pinnact.restoring import is_seconds, plain, refill, restore

CHUNK_SECONDS = 1.0  # how long the compiled loop runs between two looks at the clock
TESTS = 200  # how often a number of steps is divided to test on the frames held out


class Frames(NamedTuple):
    """Frames on the device."""

    positions: Float[Array, "n a 3"]
    numbers: Int[Array, "n a"]
    energies: Float[Array, " n"]
    forces: Float[Array, "n a 3"]
    cells: Float[Array, "n 3 3"] | None

    @staticmethod
    def of(data: Configurations) -> "Frames":
        """The frames of configurations, in the current precision."""
        float_ = jnp.zeros(()).dtype
        cells = None if data.cells is None else jnp.asarray(data.cells, float_)
        arrays = (jnp.asarray(x, float_) for x in (data.positions, data.energies, data.forces))
        positions, energies, forces = arrays
        return Frames(positions, jnp.asarray(data.numbers), energies, forces, cells)


@dataclass(frozen=True)
class Matching:
    """Settings of force matching. `batch` frames a step; the learning rate falls from `rate` to 0 as a cosine over the
    budget; the returned parameters are the exponential average over about `average` steps.
    """

    energy_weight: float = 10.0
    force_weight: float = 1.0
    batch: int = 32
    rate: float = 2e-3
    average: int = 1000

    def __post_init__(self) -> None:
        for name in ("energy_weight", "force_weight", "batch", "rate", "average"):
            if not (getattr(self, name) > 0 and math.isfinite(getattr(self, name))):
                raise ValueError(f"{name}={getattr(self, name)}: it must be above 0 and finite")


class _Data(NamedTuple):
    """Frames, and what the potential trains on instead of their positions."""

    frames: Frames
    described: Any

    def take(self, rows: Int[Array, " b"]) -> "_Data":
        return jax.tree.map(lambda array: array[rows], self)


class _State(NamedTuple):
    """Where training stands; `best` is the average that erred least (by `least`, at step `best_count`) when tested."""

    parameters: Any
    average: Any
    moments: Any
    count: Array
    best: Any
    least: Array
    best_count: Array

    @staticmethod
    def of(trained: Any) -> "_State":
        """Before the first step; nothing has been tested yet, so the start is the best."""
        float_, zero = jax.tree.leaves(trained)[0].dtype, jnp.zeros((), jnp.int32)
        moments = optax.scale_by_adam().init(trained)
        return _State(trained, trained, moments, zero, trained, jnp.full((), jnp.inf, float_), zero)

    def tested(self, error: Array) -> "_State":
        """With the force error of `average` on the frames held out."""
        better = error < self.least
        best, least, count = jax.tree.map(
            lambda new, old: jnp.where(better, new, old),
            (self.average, error, self.count),
            (self.best, self.least, self.best_count),
        )
        return self._replace(best=best, least=least, best_count=count)


@dataclass(frozen=True)
class _Schedule:
    """When to test and when to stop. With a number of steps, both depend on nothing else: a seed fixes every bit."""

    limits: Limits

    def time_over(self, seconds: float) -> float:
        """The share of the budget that is over."""
        return 0.0 if self.limits.budget is None else seconds / self.limits.budget

    @property
    def per_step(self) -> float:
        """The share of the run that a step is; 0 where time decides."""
        return 0.0 if self.limits.steps is None else 1 / self.limits.steps

    def left(self, step: int) -> int:
        """The steps to the next test."""
        if self.limits.steps is None:
            return 10**9
        every = math.ceil(self.limits.steps / TESTS)
        return min(self.limits.steps - step, every - step % every)

    def tests(self, step: int) -> bool:
        """Whether to test now."""
        return self.limits.steps is None or step == self.limits.steps or self.left(step) == self.left(0)

    def over(self, state: _State, seconds: float) -> str:
        """Why to stop now, or an empty string."""
        limits, step = self.limits, int(state.count)
        if limits.budget is not None and seconds >= limits.budget:
            return "budget"
        if limits.steps is not None and step >= limits.steps:
            return "steps"
        return "patience" if limits.patience and step - int(state.best_count) >= limits.patience else ""


def match(
    potential: AbstractPotential,
    train: Configurations,
    validation: Configurations,
    settings: Matching,
    *,
    limits: Limits,
    key: PRNGKeyArray,
    keeper: Keeper,
    progress: bool,
) -> tuple[AbstractPotential, History, str]:
    """The trained potential with the least force error on `validation`, the history, and why training stopped.

    The history has the mean absolute force error on `validation` in meV/angstrom as its `error`. Call it within the
    precision to train in. Ctrl-C and SIGTERM end training with what was reached; `keeper` holds the checkpoints.
    """
    began = time.perf_counter()
    frames, held_out = (Frames.of(_without_constants(potential, data)) for data in (train, validation))
    float_ = frames.positions.dtype
    potential = jax.tree.map(lambda x: jnp.asarray(x, float_) if is_trained(x) else x, potential)
    whole, potential = eqx.partition(potential, is_trained)[1], potential.bare()
    trained, fixed = eqx.partition(potential, is_trained)
    learnt, checked = (
        _Data(some, _described(potential, data, float_)) for some, data in ((frames, train), (held_out, validation))
    )
    chunk, error = _compiled(fixed, settings, key)
    state, schedule = _State.of(trained), _Schedule(limits)
    history, stopped, size, earlier = History(("energy", "forces")), "", 1, 0.0
    if saved := keeper.newest():
        earlier = plain(saved, {"seconds": is_seconds})["seconds"]
        state = restore(saved, saved.arrays[:-1], state)
        refill(saved, saved.arrays[-1:], history)
        stopped = schedule.over(state, earlier)
    passed = lambda: earlier + time.perf_counter() - began
    keep = lambda: keeper.save(int(state.count), {"seconds": passed()}, (state, history.table()))

    def test(state: _State, loss: float, means: dict[str, float]) -> _State:
        mae = error(state.average, checked)
        row = (int(state.count), passed(), loss)
        history.append(*row, means, 1e3 * float(mae))
        line.update(*row, 1e3 * float(mae), limits)
        return state.tested(mae)

    with Interrupts() as interrupts, ProgressLine() if progress else NoProgress() as line:
        try:
            while not stopped:
                clock, steps = time.perf_counter(), min(size, schedule.left(int(state.count)))
                share = jnp.asarray(schedule.time_over(passed()), float_)
                per_step = jnp.asarray(schedule.per_step, float_)
                after, (energy, forces), finite = chunk(state, learnt, share, per_step, jnp.asarray(steps))
                loss = float(settings.energy_weight * energy + settings.force_weight * forces)
                spent = time.perf_counter() - clock
                if not (math.isfinite(loss) and bool(finite)):
                    stopped = "not finite"
                    break
                state = after
                means = {"energy": float(energy), "forces": float(forces)}
                if schedule.tests(int(state.count)):
                    state = test(state, loss, means)
                if spent < 2 * CHUNK_SECONDS or size > 1:  # the first chunk compiles
                    size = max(1, min(int(steps * CHUNK_SECONDS / max(spent, 1e-4)), 4 * size))
                stopped = schedule.over(state, passed()) or interrupts.stopped
                if not stopped and keeper.due:
                    keep()
            if stopped != "not finite":
                keep()
            if stopped == interrupts.stopped != "" and not schedule.tests(int(state.count)):
                state = test(state, loss, means)  # after `keep`: what goes on is unchanged
        except KeyboardInterrupt:
            stopped = interrupts.stopped or "interrupted"
    return eqx.combine(state.best, whole).finished(), history, stopped


def _without_constants(potential: AbstractPotential, data: Configurations) -> Configurations:
    """The frames with the energies that a bare potential is to learn."""
    with precision("float64"):
        constants = np.asarray(jax.vmap(potential.constant)(jnp.asarray(data.numbers)), float)
    return replace(data, energies=data.energies - constants)


def _described(potential: AbstractPotential, data: Configurations, dtype: np.dtype) -> Any:
    """What the potential trains on, one entry a frame: computed in float64, kept in `dtype`."""

    def one(frame: Frames) -> Any:
        described = potential.described(frame.positions, frame.numbers, frame.cells)
        return jax.tree.map(lambda x: x.astype(dtype if jnp.issubdtype(x.dtype, jnp.inexact) else jnp.int32), described)

    with precision("float64"):
        return jax.jit(lambda frames: jax.lax.map(one, frames))(Frames.of(data))


def _compiled(fixed: Any, settings: Matching, key: PRNGKeyArray) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The compiled loop of steps at one learning rate, and the compiled force error of parameters on some frames."""
    adam = optax.scale_by_adam()

    def losses(trained: Any, data: _Data, key: PRNGKeyArray) -> tuple[Array, tuple[Array, Array]]:
        potential = eqx.combine(trained, fixed)

        def one(frame: Frames, described: Any, key: PRNGKeyArray) -> tuple[Array, Array]:
            energy, forces = potential.matched(described, key)  # of each member of a committee
            atoms = jnp.sum(frame.numbers > 0)
            squares = jnp.sum((forces - jnp.broadcast_to(frame.forces, forces.shape)) ** 2, axis=(-2, -1)) / (3 * atoms)
            return jnp.mean(((energy - frame.energies) / atoms) ** 2), jnp.mean(squares)

        parts = jax.vmap(one)(data.frames, data.described, jax.random.split(key, len(data.frames.positions)))
        energy, forces = jnp.mean(parts[0]), jnp.mean(parts[1])
        return settings.energy_weight * energy + settings.force_weight * forces, (energy, forces)

    def chunk(
        state: _State, data: _Data, share: Array, per_step: Array, most: Array
    ) -> tuple[_State, tuple[Array, Array], Array]:
        n = len(data.frames.positions)
        batch = min(settings.batch, n)

        def body(_: Array, carry: tuple[_State, tuple[Array, Array]]) -> tuple[_State, tuple[Array, Array]]:
            state, sums = carry
            k_rows, k_sample = jax.random.split(jax.random.fold_in(key, state.count))
            rows = jax.random.randint(k_rows, (batch,), 0, n)
            gradient, parts = jax.grad(losses, has_aux=True)(state.parameters, data.take(rows), k_sample)
            over = jnp.minimum(jnp.maximum(share, state.count * per_step), 1.0)
            rate = settings.rate * 0.5 * (1 + jnp.cos(jnp.pi * over))
            direction, moments = adam.update(gradient, state.moments)
            parameters = jax.tree.map(lambda p, d: p - rate * d, state.parameters, direction)
            keep = jnp.minimum(1 - 1 / settings.average, state.count / (state.count + 10)).astype(rate.dtype)
            average = jax.tree.map(lambda a, p: keep * a + (1 - keep) * p, state.average, parameters)
            sums = jax.tree.map(jnp.add, sums, parts)
            after = state._replace(parameters=parameters, average=average, moments=moments, count=state.count + 1)
            return after, sums

        zero = jnp.zeros((), share.dtype)
        state, sums = jax.lax.fori_loop(0, most, body, (state, (zero, zero)))
        leaves = jax.tree.leaves((state.parameters, state.average))
        finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves]))
        return state, jax.tree.map(lambda s: s / most, sums), finite

    def error(trained: Any, data: _Data) -> Array:
        potential = eqx.combine(trained, fixed)

        def one(entry: _Data) -> tuple[Array, Array]:
            frame = entry.frames
            _, forces = potential.matched(entry.described, None)
            real = (frame.numbers > 0)[:, None]
            return jnp.sum(jnp.abs(forces - frame.forces) * real), 3 * jnp.sum(real)

        sums, counts = jax.lax.map(one, data, batch_size=32)
        return jnp.sum(sums) / jnp.sum(counts)

    return jax.jit(chunk), jax.jit(error)
