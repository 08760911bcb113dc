"""`fit`: from configurations and a recipe to a surface."""

import hashlib
import time
from dataclasses import replace
from os import PathLike

import equinox as eqx
import jax
import numpy as np

from pinnact.checkpoints import Checkpoints, Keeper
from pinnact.history import History
from pinnact.limits import Limits
from pinnact.potentials.configurations import Configurations
from pinnact.potentials.kernel import Kernel
from pinnact.potentials.matching import Matching, match
from pinnact.potentials.potential import AbstractPotential, Recipe, is_trained
from pinnact.potentials.surface import Surface
from pinnact.potentials.symmetries import bonds
from pinnact.precision import precision as precision_context
from pinnact.smoothness import SmoothnessError

ORDER = 2  # continuous forces and vibrations take two derivatives of the energy


def fit(
    train: Configurations,
    model: Recipe,
    *,
    budget: float | None = None,
    steps: int | None = None,
    validation: float = 0.05,
    matching: Matching | None = None,
    precision: str = "float32",
    seed: int = 0,
    patience: int | None = None,
    allow_rough: bool = False,
    checkpoint: Checkpoints | str | PathLike[str] | None = None,
    progress: bool = False,
) -> Surface:
    """A surface fitted to energies and forces.

    `budget` is wall-clock seconds, compilation included (60 unless `steps` is given). A share `validation` of the
    frames, at least one, is held out to pick the best parameters; recipes that are `fitted` by a linear solve take
    all frames. `matching` are the settings of training, by default those that the recipe itself prefers. Networks
    train in `precision`; every answer of the surface is computed in float64. `patience` is a number of steps without a
    smaller error on the frames held out, after which training stops early.

    With `checkpoint` a network's training goes on where it was stopped or killed, as in `solve`; a linear solve has
    nothing to keep.

    Raises SmoothnessError for an activation with a kink, whose forces would jump (`allow_rough=True` to see it), and
    ValueError for arguments that don't fit.
    """
    limits = Limits(60.0 if budget is None and steps is None else budget, steps, patience=patience)
    name = getattr(model, "name", type(model).__name__)
    if precision == "mixed":
        raise ValueError("precision='mixed' is for fields of coordinates; fit a surface in 'float32' or 'float64'")
    if not 0 < validation < 1:
        raise ValueError(f"validation={validation} is no share of the frames; give one between 0 and 1")
    if model.smoothness < ORDER - 1 and not allow_rough:
        raise SmoothnessError(
            f"{name} is C^{model.smoothness:.0f}: forces would jump and the Hessian be 0 almost "
            "everywhere; use tanh, gelu, silu, softplus ..., or pass allow_rough=True to watch it fail"
        )
    began = time.perf_counter()
    key = jax.random.key(seed)
    with precision_context("float64" if model.fitted else precision):
        if model.fitted:
            potential, history, stopped = model.begin(train, key, limits.budget or 60.0), History(()), "solved"
        else:
            settings: Matching = getattr(model, "matching", Matching()) if matching is None else matching
            asked = {"model": repr(model), "matching": repr(settings), "validation": validation}
            _held(train, validation)  # before the folder of checkpoints is made
            known = {"seed": seed, "precision": precision, "frames": _digest(train)}
            with Keeper(checkpoint, asked | known) as keeper:
                potential, history, stopped = _trained(
                    train, model, limits, validation, settings, key, keeper, progress
                )
    elements = tuple(train.elements)
    molecule = tuple(map(int, train.molecule)) if model.one_molecule and train.molecule is not None else None
    summary = {
        "model": name,
        "bonds": None if molecule is None else [list(pair) for pair in bonds(train)],
        "activation": getattr(getattr(model, "activation", None), "name", None),
        "data": train.name,
        "frames": len(train),
        "frames_used": len(potential.anchors) if isinstance(potential, Kernel) else len(train),
        "parameters": parameters(potential),
        "seed": seed,
        "precision": "float64" if model.fitted else precision,
        "seconds": round(time.perf_counter() - began, 3),
        "steps": int(history.column("step")[-1]) if len(history) else 0,
        "stopped": stopped,
    }
    return Surface(potential, molecule, elements, summary, history)


def parameters(potential: AbstractPotential) -> int:
    """The number of trainable numbers."""
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(potential, is_trained)))


def _trained(
    train: Configurations,
    model: Recipe,
    limits: Limits,
    validation: float,
    matching: Matching,
    key: jax.Array,
    keeper: Keeper,
    progress: bool,
) -> tuple[AbstractPotential, History, str]:
    began = time.perf_counter()
    held = _held(train, validation)
    k_split, k_model, k_train = jax.random.split(key, 3)
    order = np.asarray(jax.random.permutation(k_split, len(train)))
    potential = model.begin(train, k_model, limits.budget or 60.0)
    if limits.budget is not None:
        limits = replace(limits, budget=max(1.0, limits.budget - (time.perf_counter() - began)))
    return match(
        potential, train[order[held:]], train[order[:held]], matching,
        limits=limits, key=k_train, keeper=keeper, progress=progress,
    )  # fmt: skip


def _held(train: Configurations, validation: float) -> int:
    """How many frames are held out; ValueError where none would be left."""
    held = max(1, round(validation * len(train)))
    if len(train) - held < 1:
        raise ValueError(f"{len(train)} frames are too few to train on and hold {held} out; give more frames")
    return held


def _digest(data: Configurations) -> str:
    """A checksum of all frames."""
    arrays = (data.numbers, data.positions, data.energies, data.forces, data.cells)
    return hashlib.sha256(b"".join(np.asarray(a).tobytes() for a in arrays if a is not None)).hexdigest()
