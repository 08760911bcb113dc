"""Where a run stands: written to a checkpoint, and taken back from one that is found to be of the same run."""

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from pinnact.checkpoints import Saved, differing
from pinnact.restoring import is_count, is_seconds, plain, refill, restore, structure, unusable

if TYPE_CHECKING:
    from pinnact.run import Run

RECOVERIES = 3  # how often a run goes back to its last finite state and on from there with more care
PARTS = 6  # arrays come in parts: parameters, the optimiser's state, points, weights, lifts, history
ROUND_OFF = 1e4  # in units of eps: residuals so small may differ between machines
SAME_LOSS = 1e-2  # relative; a loss that differs more where a run goes on is that of other equations or data


@dataclass
class Position:
    """Where a run stands: the plain numbers that a checkpoint holds beside the arrays.

    `seconds` are those of all processes so far; `first` and `begun` are step and seconds at which the stage began;
    `loss` is that of the parameters, `seen` what the last step reported, `since` the steps since the `best` of these.
    """

    step: int = 0
    seconds: float = 0.0
    stage: int = 0
    first: int = 0
    begun: float = 0.0
    loss: float = math.nan
    seen: float = math.inf
    best: float = math.inf
    since: int = 0
    stalled: bool = False
    carried: bool = False
    resumed: list[int] = field(default_factory=list)
    recovered: list[int] = field(default_factory=list)


def save(run: "Run") -> None:
    """A checkpoint of the state after the last chunk; none of a state that is no longer finite."""
    if not run.keeper.writes or run.state is None or run.stopped == "not finite":
        return
    known = {"seconds": run.read, "optimisers": run.methods[: run.at.stage + 1], "structure": structure(run.state)}
    along = [run.flat.of(model) for model in run.system.along]
    arrays = (run.good, run.state, run.batches, run.loss_weights, along, run.history.table())
    sizes = [len(jax.tree.leaves(part)) for part in arrays]
    run.keeper.save(run.at.step, asdict(run.at) | known | {"sizes": sizes}, arrays)


def resume(run: "Run", saved: Saved) -> Any:
    """Put everything where it was and return the optimiser's state.

    Raises ValueError for another optimiser or problem, and for numbers and arrays that no run can have written.
    """
    run.at, sizes, optimisers, made_of = position(saved)
    if optimisers != (mine := run.methods[: run.at.stage + 1]):
        raise _other(saved, "optimisers were {} and are {}", optimisers, mine)
    ends = np.cumsum(sizes)
    parts = [saved.arrays[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    run.good = restore(saved, parts[0], run.good)
    value, gradient = jax.ShapeDtypeStruct((), run.good.dtype), run.good
    optimiser = run.method(run.plan[run.at.stage])
    empty = jax.eval_shape(optimiser.init, run.good, value, gradient)
    if made_of != (mine := structure(empty)):
        raise _other(saved, "the optimiser's state was {} and is {}", made_of, mine)
    state = restore(saved, parts[1], empty)
    for flat in parts[4]:
        system = run.system.carried(run.flat.model(restore(saved, [flat], run.good)))
        if system is None:
            raise ValueError(f"{saved.path}: of another problem, its lift can't be made again; start anew")
        run.system = system
    run.lifted = run.system.lifted(run.where)
    run.batches = restore(saved, parts[2], run.batches, shapes=False)
    for name, batch in run.batches.items():
        if len(lengths := {len(leaf) for leaf in jax.tree.leaves(batch)}) > 1:
            raise unusable(saved, f"its batch {name!r} has arrays of {' and '.join(map(str, sorted(lengths)))} rows")
    run.loss_weights = restore(saved, parts[3], run.loss_weights)
    refill(saved, parts[5], run.history)
    _compare(run, saved)
    run.at.resumed.append(run.at.step)
    return state


def position(saved: Saved) -> tuple[Position, list[int], list[str], str]:
    """The position, how many arrays each part has, the optimisers so far, and what the state is made of.

    Raises ValueError for numbers that no run can have written.
    """
    step, optimisers = saved.numbers.get("step"), saved.numbers.get("optimisers")
    last = len(optimisers) - 1 if isinstance(optimisers, list) else 0
    is_real = lambda value: type(value) is float and not math.isnan(value)
    is_past = lambda value: is_count(value) and is_count(step) and value <= step
    are_past = lambda value: type(value) is list and all(map(is_past, value))
    are_sizes = lambda value: type(value) is list and len(value) == PARTS and all(map(is_count, value))
    wanted = {
        "step": is_count,
        "seconds": is_seconds,
        "stage": lambda value: is_count(value) and value == last,
        "first": is_past,
        "begun": is_seconds,
        "loss": lambda value: is_real(value) and math.isfinite(value),
        "seen": is_real,
        "best": is_real,
        "since": lambda value: is_count(value) and value < 2**31,
        "stalled": lambda value: type(value) is bool,
        "carried": lambda value: type(value) is bool,
        "resumed": are_past,
        "recovered": lambda value: are_past(value) and len(value) <= RECOVERIES,
        "sizes": lambda value: are_sizes(value) and sum(value) == len(saved.arrays),
        "optimisers": lambda value: type(value) is list and all(type(one) is str for one in value),
        "structure": lambda value: type(value) is str,
    }
    numbers = plain(saved, wanted)
    others = [numbers.pop(name) for name in ("sizes", "optimisers", "structure")]
    return Position(**numbers), *others


def _other(saved: Saved, words: str, was: Any, now: Any) -> ValueError:
    said = words.format(*differing(was, now))
    return ValueError(f"{saved.path}: of another run, {said}; give the same, or another folder")


def _compare(run: "Run", saved: Saved) -> None:
    """Refuse where equations or prescribed values aren't those of the checkpoint: functions can't be compared."""
    for name, batch in run.batches.items():
        again = run.system.batch(run.system.groups[name], np.asarray(batch.points)).lift or {}
        for index, values in (batch.lift or {}).items():
            scale = 1 + float(jnp.max(jnp.abs(values)))
            if not np.allclose(again[index], values, rtol=0.0, atol=1e-6 * scale):
                raise ValueError(f"{saved.path}: of another problem, what is built in differs; start anew")
    value, _, _ = run.flat.evaluate(run.good, run.batches, run.loss_weights)
    floor = (ROUND_OFF * float(jnp.finfo(value.dtype).eps)) ** 2
    if not abs(float(value) - run.at.loss) <= SAME_LOSS * abs(run.at.loss) + floor:
        raise ValueError(
            f"{saved.path}: of another problem, the loss was {run.at.loss:.6g} and is {float(value):.6g}: "
            "equations or data differ; give the same, or another folder"
        )
