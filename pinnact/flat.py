"""A model as one flat vector of its trainable numbers, and the compiled functions of it that a run takes."""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
from jaxtyping import Array, Float

from pinnact.devices import jit
from pinnact.memory import most_points
from pinnact.model import Model
from pinnact.optimisers import AbstractOptimiser, Objective
from pinnact.parts import summed
from pinnact.placement import AbstractPlacement
from pinnact.system import Batches, System

Parameters = Float[Array, " p"]


PROGRESS = 1e-3  # the relative fall of the loss that counts as one


class Watch(NamedTuple):
    """What ends a chunk: `most` steps, a loss of at most `tolerance`, `patience` steps without progress.

    It is looked at after every step, so that where a run ends does not depend on how the clock cut it into chunks.
    `loss`, the `best` one, the steps `since` and the `step` are those from before the chunk; `seed` and step make the
    random numbers of a step that takes some.
    """

    most: Array
    tolerance: Array
    patience: Array
    loss: Array
    best: Array
    since: Array
    seed: Array
    step: Array


class Chunk(NamedTuple):
    """What a run wants computed next: steps of `optimiser` from here; the answer is an `Outcome`."""

    optimiser: AbstractOptimiser
    parameters: Array
    state: Any
    batches: Batches
    weights: dict[str, Array]
    watch: Watch


class Outcome(NamedTuple):
    """Where a chunk ended: at the last finite `parameters` after `count` steps, one step on from those `before`.

    `loss` is what the method reports of its last step; some know only that of the parameters before.
    """

    parameters: Array
    before: Array
    state: Any
    loss: Array
    best: Array
    since: Array
    count: Array
    stalled: Array
    finite: Array


class Flat:
    """The functions of `system` and of the flat parameters of models like `model`; `start` are those of `model`."""

    def __init__(self, system: System, model: Model, place: AbstractPlacement) -> None:
        self.system, self.place = system, place
        trainables, static = eqx.partition(model, eqx.is_inexact_array)
        flat, unravel = jax.flatten_util.ravel_pytree(trainables)
        self.start: Parameters = flat.astype(jnp.zeros(()).dtype)
        self.static = static
        self.model: Callable[[Parameters], Model] = lambda p: eqx.combine(unravel(p), static)
        # Several devices send a message a part, and estimates of an operator draw for all points at once.
        together = system.directions is not None or place.count > 1
        self.most = 2**31 if together else most_points(model)
        self._whole = [name for name, group in system.groups.items() if group.integral is not None]
        self._evaluated = jit(self._evaluate, seldom=True)
        self.predict = jit(self._predict, seldom=True)
        self._chunk: tuple[AbstractOptimiser | None, Callable[..., Outcome]] = None, self.steps

    def of(self, model: Model) -> Parameters:
        """The flat parameters of a model."""
        return jax.flatten_util.ravel_pytree(eqx.filter(model, eqx.is_inexact_array))[0].astype(self.start.dtype)

    def evaluate(self, p: Parameters, batches: Batches, weights: dict[str, Array]) -> tuple[Array, Parameters, dict]:
        """Loss, gradient, and the mean square of each residual."""
        place = self.place
        return place.local(self._evaluated(place.copied(p), place.spread(batches), place.copied(weights)))

    def first(self, optimiser: AbstractOptimiser, p: Parameters, value: Array, gradient: Parameters) -> Any:
        """The state of an optimiser before its first step; without arrays in common, since a chunk takes its memory."""
        whole = lambda *given: jax.tree.map(jnp.copy, optimiser.init(*given))  # compiled, no p^2 is held in between
        return self.place.copied(jit(whole, seldom=True)(p, value, gradient))

    def refreshed(self, optimiser: AbstractOptimiser, state: Any, value: Array, gradient: Parameters) -> Any:
        """The state after points or weights have changed."""
        new = optimiser.refresh(state, self.place.copied(value), self.place.copied(gradient))
        return self.place.copied(jax.tree.map(jnp.copy, new))

    def _evaluate(self, p: Parameters, batches: Batches, weights: dict[str, Array]) -> tuple[Array, Parameters, dict]:
        """Loss, gradient, and the mean square of each residual."""

        none = dict.fromkeys(self.system.names, jnp.zeros(()))

        def loss(p: Parameters, part: Batches) -> tuple[Array, dict[str, Array]]:
            rows = self.system.weighted(self.model(p), part, weights)
            squares = {name: jnp.sum(r**2) / weights[name] for name, r in rows.items()}
            return sum((jnp.sum(r**2) for r in rows.values()), jnp.zeros(())), none | squares

        both = lambda part: jax.value_and_grad(loss, has_aux=True)(p, part)
        (value, parts), gradient = self._summed(both, ((jnp.zeros(()), none), jnp.zeros_like(p)), batches)
        return value, gradient, parts

    def _summed(self, function: Callable[[Batches], Any], zero: Any, batches: Batches) -> Any:
        """The sum of a function over parts of the points."""
        return summed(function, zero, batches, self._whole, self.most)

    def _predict(self, p: Parameters, points: Array, lift: Array | None) -> dict[str, Array]:
        return self.system.values(self.model(p), points, lift)

    def _objective(self, batches: Batches, weights: dict[str, Array], watch: Watch, count: Array) -> Objective:
        key = None
        if self.system.directions is not None:
            key = jax.random.fold_in(jax.random.key(watch.seed), watch.step + count)
        zero = jnp.zeros(())
        loss = lambda p, part: self.system.loss(self.model(p), part, weights, key)
        both = jax.value_and_grad(loss)
        return Objective(
            lambda p: self._summed(lambda part: loss(p, part), zero, batches),
            lambda p: self._summed(lambda part: both(p, part), (zero, jnp.zeros_like(p)), batches),
            lambda p: self.system.rows(self.model(p), batches, weights),
            lambda p: self.system.jacobian(self.model(p), batches, weights),
            lambda p: self.system.normal(self.model(p), batches, weights),
        )

    def sharing(self, model: Model) -> "Flat":
        """The same compiled functions for another model of the same make; ValueError where its constants differ."""
        trainables, static = eqx.partition(model, eqx.is_inexact_array)
        if not eqx.tree_equal(static, self.static):
            raise ValueError("seeds whose networks hold other constants (random Fourier features) can't train together")
        other = copy.copy(self)
        other.start = jax.flatten_util.ravel_pytree(trainables)[0].astype(self.start.dtype)
        return other

    def chunk(self, optimiser: AbstractOptimiser) -> Callable[..., Outcome]:
        """The compiled loop of one stage, `steps` on the devices of the run; it takes the state's memory for good.

        The optimiser that was asked for last gets the same function again.
        """
        known, function = self._chunk
        if known is optimiser:
            return function
        place, compiled = self.place, jit(self.steps(optimiser), donate_argnums=(1,))

        def placed(p: Parameters, state: Any, batches: Batches, weights: dict[str, Array], watch: Watch) -> Outcome:
            copied = place.copied
            found = compiled(copied(p), copied(state), place.spread(batches), copied(weights), copied(watch))
            return place.local(found._replace(state=()))._replace(state=found.state)

        self._chunk = optimiser, placed
        return placed

    def steps(self, optimiser: AbstractOptimiser) -> Callable[..., Outcome]:
        """The loop of one stage: a function of parameters, state, batches, weights and a `Watch`."""

        def chunk(p: Parameters, state: Any, batches: Batches, weights: dict[str, Array], watch: Watch) -> Outcome:
            def body(was: Outcome) -> Outcome:
                objective = self._objective(batches, weights, watch, was.count)
                step = optimiser.step(objective, was.parameters, was.state)
                finite = jnp.isfinite(step.loss) & jnp.all(jnp.isfinite(step.parameters))
                better = step.loss < was.best * (1 - PROGRESS)
                return Outcome(
                    jnp.where(finite, step.parameters, was.parameters),
                    jnp.where(finite, was.parameters, was.before),
                    step.state,
                    jnp.where(finite, step.loss, was.loss),
                    jnp.where(better, step.loss, was.best),
                    jnp.where(better, 0, was.since + 1),
                    was.count + finite,
                    jnp.asarray(step.stalled),
                    finite,
                )

            def go_on(was: Outcome) -> Array:
                goes = (was.count < watch.most) & ~was.stalled & was.finite
                return goes & (was.loss > watch.tolerance) & (was.since < watch.patience)

            no, yes = jnp.array(False), jnp.array(True)
            begin = Outcome(p, p, state, watch.loss, watch.best, watch.since, jnp.zeros_like(watch.most), no, yes)
            return jax.lax.while_loop(go_on, body, begin)

        return chunk
