"""Solutions in a file: one line of JSON that says what it holds, then the arrays of the model (`files.write_arrays`).

The header alone tells problem, network, precision, summary and history (`head -1 solution.eqx | python -m json.tool`).
What Python functions define (equations, data that are built in) is not stored: the problem is given again at loading,
and recorded values at four points show whether it is the one that the solution belongs to.
"""

import copy
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pinnact import activations
from pinnact.activations import AbstractActivation
from pinnact.features import Enriched
from pinnact.files import plain_data, read_arrays, write_arrays
from pinnact.history import History
from pinnact.lifts import for_problem, plain
from pinnact.model import Model, Networks, build_model
from pinnact.networks import MLP, Embedding, Fourier, PirateNet
from pinnact.precision import PRECISIONS, precision
from pinnact.problem import UNNAMED, Problem
from pinnact.system import System
from pinnact.windows import Windows

FORMAT, VERSION = "pinnact solution", 1
# Recipes that hold another network, `first`, and their numbers.
STAGES = {
    Enriched: ("features", "lowest", "highest", "seed"),
    Windows: ("edges", "orders", "features", "lowest", "highest", "seed"),
}
HOLDING = {recipe.__name__: (recipe, names) for recipe, names in STAGES.items()}
KNOWN = {recipe.__name__: recipe for recipe in (MLP, PirateNet, Fourier, *STAGES)}
CHECK_POINTS = 4
PARTS: dict[str, type] = {
    "hard": bool, "built_in": list, "network": dict, "arrays": list, "along": int, "frequencies": list, "check": dict,
    "summary": dict, "history": dict, "inferred": list,
}  # fmt: skip


# -- networks as text ----------------------------------------------------------------------------------------------


def network_data(network: Networks) -> dict[str, Any]:
    """A recipe (or one an unknown) as plain data; what isn't the library's own becomes `{"custom": class}`."""
    if isinstance(network, Mapping):
        return {"by_unknown": {name: network_data(part) for name, part in network.items()}}
    if type(network) in STAGES:
        numbers = {name: _recipe_data(getattr(network, name)) for name in STAGES[type(network)]}
        return {"recipe": type(network).__name__, "first": network_data(network.first)} | numbers
    try:
        return _recipe_data(network)
    except ValueError:
        return {"custom": type(network).__name__}


def _recipe_data(value: Any) -> Any:
    if isinstance(value, AbstractActivation):
        found = activations.get(value.name)
        if getattr(found, "f", None) != getattr(value, "f", value):
            raise ValueError(f"{value.name} is not the library's")
        return value.name
    if KNOWN.get(type(value).__name__) is type(value):
        fields = {field.name: _recipe_data(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"recipe": type(value).__name__} | fields
    if isinstance(value, list | tuple):
        return [_recipe_data(entry) for entry in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float):
        return value
    raise ValueError(f"{value!r} is not the library's")


def _recipe(data: Any) -> Any:
    match data:
        case str():
            return activations.get(data)
        case list():
            return tuple(_recipe(entry) for entry in data)
        case {"recipe": str() as name, **fields}:
            return KNOWN[name](**{key: _recipe(entry) for key, entry in fields.items()})
    return data


def network_of(data: Mapping[str, Any]) -> Networks | None:
    """The recipes that `network_data` described; None where one is the user's own."""
    if "by_unknown" in data:
        parts = {name: network_of(part) for name, part in data["by_unknown"].items()}
        return None if None in parts.values() else parts  # type: ignore[return-value]
    if data.get("recipe") in HOLDING and network_of(data["first"]) is None:
        return None
    return None if "custom" in data else _recipe(data)


def _held(data: Mapping[str, Any], network: Networks) -> Networks:
    """A network of the user's own within the recipes that `network_data` described as holding it, if any."""
    if "by_unknown" in data and isinstance(network, Mapping):
        parts = data["by_unknown"]
        return {k: _held(parts[k], part) if k in parts else part for k, part in network.items()}  # type: ignore
    if data.get("recipe") not in HOLDING or type(network) in STAGES:
        return network
    recipe, names = HOLDING[data["recipe"]]
    return recipe(_held(data["first"], network), **{name: _recipe(data[name]) for name in names})  # type: ignore


# -- writing ----------------------------------------------------------------------------------------------


class Stored(NamedTuple):
    """What a file gives back: the parts of a solution, and values at points to check it with."""

    system: System
    model: Model
    history: History
    summary: dict[str, Any]
    network: Networks
    check: tuple[np.ndarray, dict[str, np.ndarray]]


def problem_data(problem: Problem) -> dict[str, Any]:
    """What must be equal in the problem that a solution is loaded with."""
    kinds = {name: "complex" if u.kind == "complex" else u.size for name, u in problem.fields.items()}
    numbers = {
        name: value
        for name, value in problem.coefficients.items()
        if not callable(value) and name not in problem.inferred
    }
    return {
        "problem": problem.name,
        "inferred": sorted(problem.inferred),
        "coordinates": {name: list(side) for name, side in problem.domain.bounds.items()},
        "periodic": list(problem.domain.periodic),
        "unknowns": kinds,
        "coefficients": plain_data(numbers),
    }


def check_points(problem: Problem) -> np.ndarray:
    """Points at which the values of a solution are recorded: spread over the bounding box, the same for one domain."""
    share = (np.arange(1, CHECK_POINTS + 1)[:, None] * np.sqrt(np.arange(2.0, problem.domain.dimension + 2))) % 1.0
    low, high = np.array(list(problem.domain.bounds.values())).T
    return low + (high - low) * share


def save(
    path: Path,
    system: System,
    model: Model,
    history: History,
    summary: Mapping[str, Any],
    network: Networks,
    values: Mapping[str, np.ndarray],
) -> None:
    """Write a solution; `values` are those at `check_points`."""
    header = {
        "format": FORMAT,
        "version": VERSION,
        **problem_data(system.problem),
        "domain": repr(system.problem.domain),
        "hard": system.ansatz.notes != plain(system.problem).notes,
        "built_in": list(system.ansatz.built_in),
        "network": network_data(network),
        "seed": summary.get("seed"),
        "precision": summary.get("precision", "float64"),
        "arrays": _arrays(model),
        "along": len(system.along),
        "frequencies": plain_data([embedding.frequencies for embedding in _embeddings(model)]),
        "check": {name: plain_data(value) for name, value in values.items()},
        "summary": plain_data(summary),
        "history": {
            "names": list(history.names),
            "inferred": list(history.inferred),
            "rows": plain_data(list(history)),
        },
    }
    leaves = jax.tree.leaves(eqx.filter((model, *system.along), eqx.is_array_like))
    write_arrays(path, header, [np.asarray(leaf) for leaf in leaves])


def _arrays(model: Model) -> list[dict[str, Any]]:
    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(model, eqx.is_array_like))
    return [
        {"name": jax.tree_util.keystr(key), "shape": list(np.shape(leaf)), "dtype": str(np.asarray(leaf).dtype)}
        for key, leaf in leaves
    ]


def _with_arrays(model: Model, arrays: list[np.ndarray]) -> Model:
    """The model with these numbers in place of its own, in the order of `_arrays`."""
    mine, rest = eqx.partition(model, eqx.is_array_like)
    leaves, structure = jax.tree.flatten(mine)
    saved = [jnp.asarray(new) if eqx.is_array(old) else new.item() for old, new in zip(leaves, arrays, strict=True)]
    return eqx.combine(jax.tree.unflatten(structure, saved), rest)


def _is_embedding(node: Any) -> bool:
    return isinstance(node, Embedding)


def _embeddings(model: Model) -> list[Embedding]:
    return [node for node in jax.tree.leaves(model, is_leaf=_is_embedding) if _is_embedding(node)]


def _with_frequencies(model: Model, frequencies: list[Any]) -> Model:
    """The model with these random features: they are drawn and never trained, so they are no arrays of it."""
    saved = iter(frequencies)

    def restored(node: Any) -> Any:
        if not _is_embedding(node):
            return node
        rows, node = next(saved), copy.copy(node)
        object.__setattr__(node, "frequencies", rows and tuple(map(tuple, rows)))
        return node

    return jax.tree.map(restored, model, is_leaf=_is_embedding)


# -- reading ----------------------------------------------------------------------------------------------


def load(path: Path, problem: Problem, network: Networks | None = None) -> Stored:
    """What `save` wrote, put together with its problem; ValueError where the two don't belong together."""
    header, arrays = read_arrays(path, FORMAT, VERSION)
    history = _checked(path, header, arrays)
    for key, mine in problem_data(problem).items():
        if key == "problem" and UNNAMED in (mine, header[key]):
            continue
        if key == "inferred" and mine != header[key]:
            names = ", ".join(f"{name}=..." for name in header[key])
            said = f"with infer({names})" if names else "without infer(...)"
            raise ValueError(f"{path}: give the problem that was solved, {said}")
        if plain_data(mine) != header[key]:
            raise ValueError(f"{path}: saved with {key} {_text(header[key])}, the given problem has {_text(mine)}")
    _fits(path, header, arrays, problem, network is None)
    if network is None:
        network = network_of(header["network"])
    else:
        network = _held(header["network"], network)
    if network is None:
        raise ValueError(f"{path}: its network is your own ({_text(header['network'])}); load it with network=...")
    with precision("float64"):
        ansatz = for_problem(problem, header["hard"])
    if list(ansatz.built_in) != header["built_in"]:
        built_in = ", ".join(header["built_in"]) or "nothing"
        raise ValueError(
            f"{path}: saved with {built_in} built in, the given problem has {ansatz.built_in or 'nothing'}"
        )
    with precision(header["precision"]):
        model = build_model(problem, network, jax.random.key(0))
        for mine, saved in zip(_arrays(model), header["arrays"], strict=False):
            if mine != saved:
                raise ValueError(
                    f"{path}: holds {_text(saved)}, the network needs {_text(mine)}; give the same network"
                )
        if len(_arrays(model)) != len(header["arrays"]):
            raise ValueError(f"{path}: holds {len(header['arrays'])} arrays, the network needs {len(_arrays(model))}")
        drawn = [np.shape(embedding.frequencies or ()) for embedding in _embeddings(model)]
        if drawn != [np.shape(rows or ()) for rows in header["frequencies"]]:
            raise ValueError(f"{path}: saved with another kind of network; give the same one")
        one = len(header["arrays"])
        models = [_with_arrays(model, arrays[i * one : (i + 1) * one]) for i in range(1 + header["along"])]
        model, *along = (_with_frequencies(each, header["frequencies"]) for each in models)
        system: System | None = System(problem, ansatz)
        for each in along:
            system = system and system.carried(each)
    if system is None:
        raise ValueError(f"{path}: its lift can't be made again; the problem's data differ")
    try:
        values = {name: _numbers(header["check"][name], u.kind == "complex") for name, u in problem.fields.items()}
    except (ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
        raise ValueError(f"{path}: damaged or made by hand: it holds no values to check; save it again") from error
    check = check_points(problem), values
    return Stored(system, model, history, header["summary"], network, check)


def _checked(path: Path, header: Mapping[str, Any], arrays: list[np.ndarray]) -> History:
    """The history in a header that `save` can have written; ValueError for any other, whatever its checksum says."""
    wrong = [key for key, kind in PARTS.items() if type(header.get(key)) is not kind]
    wrong += [key for key in ("problem", "coordinates", "periodic", "unknowns", "coefficients") if key not in header]
    wrong += ["precision"] if header.get("precision") not in PRECISIONS else []
    try:
        listed = [(tuple(one["shape"]), one["dtype"]) for one in header["arrays"]]
        held = [(array.shape, str(array.dtype)) for array in arrays]
        copies = 1 + header["along"]
        if not wrong and (len(held) != copies * len(listed) or held != copies * listed):
            raise ValueError("its arrays are not those that its header lists")
        if not wrong and not all(f is None or np.array(f, float).ndim == 2 for f in header["frequencies"]):
            wrong = ["frequencies"]
        if wrong:
            raise ValueError(f"its header has no {' and no '.join(wrong)} of a solution")
        history = header["history"]
        return History.of(history["names"], history["inferred"], history["rows"])
    except (ValueError, KeyError, TypeError, OverflowError, MemoryError) as error:
        raise ValueError(f"{path}: damaged or made by hand: {error}; save it again") from error


def _fits(path: Path, header: Mapping[str, Any], arrays: list[np.ndarray], problem: Problem, alone: bool) -> None:
    """Refuse a network that the header describes and the file has no numbers for, before anything of it is made."""
    numbers = sum(array.size for array in arrays)
    drawn = max((np.size(rows) for rows in header["frequencies"] if rows), default=0)
    try:
        for recipe in _recipes(header["network"]):
            if recipe["recipe"] in HOLDING:
                kind, names = HOLDING[recipe["recipe"]]
                if recipe["features"] * max(1, len(recipe.get("edges", ())) - 1) > numbers:
                    raise ValueError(f"it holds {numbers} numbers, fewer than its features")
                kind(MLP(), **{name: _recipe(recipe[name]) for name in names})
                continue
            if not alone:  # the network is given
                continue
            periodic = set(problem.domain.periodic)
            plain = sum(2 * recipe["harmonics"] if name in periodic else 1 for name in problem.domain.bounds)
            features = 2 * recipe["fourier"]["count"] if recipe["fourier"] else plain
            square = recipe["depth"] - (recipe["recipe"] == "MLP")  # layers between two hidden ones, at least
            needed = recipe["width"] * (features + square * recipe["width"])
            if needed > numbers or (recipe["fourier"] and features * plain > 2 * drawn):
                raise ValueError(f"it holds {numbers} numbers, fewer than its network needs")
        if alone:
            network_of(header["network"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}: damaged or made by hand: {error}; save it again, or give network=...") from error


def _recipes(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The recipes of networks that a header describes."""
    if "by_unknown" in data:
        return [recipe for part in data["by_unknown"].values() for recipe in _recipes(part)]
    if "custom" in data:
        return []
    return [data, *_recipes(data["first"])] if data["recipe"] in HOLDING else [data]


def _numbers(data: Any, is_complex: bool) -> np.ndarray:
    array = np.array(data, dtype=float)  # None becomes nan
    return array[..., 0] + 1j * array[..., 1] if is_complex else array


def _text(value: Any) -> str:
    return json.dumps(plain_data(value)).replace('"', "")


def verify(path: Path, saved: Mapping[str, np.ndarray], now: Mapping[str, np.ndarray]) -> None:
    """Raise ValueError unless the loaded solution has the recorded values: else the problem or network is another."""
    for name, value in saved.items():
        if np.shape(value) != np.shape(now[name]):
            raise ValueError(f"{path}: damaged or made by hand: it holds no values of {name}; save it again")
        scale = 1 + np.max(np.abs(value), initial=0.0, where=np.isfinite(value))
        if not np.allclose(now[name], value, rtol=0.0, atol=1e-9 * scale, equal_nan=True):
            raise ValueError(
                f"{path}: {name} does not have the values it was saved with; the problem's data or the network differ"
            )
