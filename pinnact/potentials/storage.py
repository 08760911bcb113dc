"""Surfaces in a folder: `surface.npz` holds a header of text and the arrays of the potential. No pickle.

A potential is written as the tree it is: modules by class and field, activations by name, functions by module and
name. Only classes and functions of this package are ever made from a file.
"""

import dataclasses
import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pinnact import activations
from pinnact.activations import AbstractActivation
from pinnact.files import atomic, one_line, plain_data, read_npz
from pinnact.history import History
from pinnact.potentials.configurations import SYMBOLS
from pinnact.potentials.potential import AbstractPotential
from pinnact.precision import precision

FORMAT, VERSION = "pinnact surface", 1
PACKAGE = "pinnact."
Saved = tuple[AbstractPotential, tuple[int, ...] | None, tuple[int, ...], dict[str, Any], History]


def save(
    folder: Path,
    potential: AbstractPotential,
    molecule: tuple[int, ...] | None,
    elements: tuple[int, ...],
    summary: Mapping[str, Any],
    history: History,
) -> None:
    """Write `surface.npz`, whole or not at all. Raises ValueError where the potential holds a user's own function."""
    arrays: dict[str, np.ndarray] = {}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "molecule": plain_data(molecule),
        "elements": plain_data(elements),
        "summary": plain_data(summary),
        "history": {"names": history.names, "rows": plain_data(list(history))},
        "potential": _text(potential, arrays),
    }
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic(folder / "surface.npz") as path, path.open("wb") as file:
        np.savez(file, **{"header": text} | arrays)  # type: ignore[arg-type]


def load(folder: Path) -> Saved:
    """What `save` wrote. Raises FileNotFoundError without a surface, ValueError for a damaged or foreign file."""
    path = folder / "surface.npz"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no surface.npz; give the folder that `potential fit --out` wrote")
    try:
        arrays = read_npz(path)
        header = json.loads(arrays.pop("header").tobytes())
        if header.get("format") != FORMAT or header.get("version") != VERSION:
            raise ValueError("it is no surface of this version")
        history = History.of(header["history"]["names"], (), header["history"]["rows"])
        molecule, elements, summary = header["molecule"], header["elements"], header["summary"]
        known = (molecule is None or _are_elements(molecule)) and _are_elements(elements)
        if not known or type(summary) is not dict:
            raise ValueError("its molecule, elements or summary are none")
        with precision("float64"):
            potential = _value(header["potential"], arrays)
        if not isinstance(potential, AbstractPotential):
            raise ValueError("it holds no potential")
    except Exception as error:  # a header that was changed can go wrong anywhere
        raise ValueError(f"{path} is damaged or no surface ({one_line(error)}); fit it again") from error
    return potential, None if molecule is None else tuple(molecule), tuple(elements), summary, history


def _are_elements(numbers: Any) -> bool:
    return type(numbers) is list and all(type(z) is int and 0 < z < len(SYMBOLS) for z in numbers)


def _text(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """`value` as JSON has it; arrays go to `arrays` and leave their name."""
    if isinstance(value, AbstractActivation):
        return {"activation": _catalogued(value), "arrays": [_text(leaf, arrays) for leaf in jax.tree.leaves(value)]}
    if isinstance(value, np.ndarray | np.generic) or eqx.is_array(value):
        name = f"a{len(arrays)}"
        arrays[name] = np.asarray(value)
        return {"trained" if eqx.is_array(value) else "array": name}
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {"class": _name(type(value)), "fields": {k: _text(v, arrays) for k, v in value._asdict().items()}}
    if isinstance(value, list | tuple):
        return {"tuple": [_text(entry, arrays) for entry in value]}
    if isinstance(value, Mapping):
        return {"mapping": [[_text(k, arrays), _text(v, arrays)] for k, v in value.items()]}
    if _is_constant(value):
        return {"function": f"{type(value).__module__}:{value.name}"}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _text(getattr(value, field.name), arrays) for field in dataclasses.fields(value)}
        return {"class": _name(type(value)), "fields": fields}
    return {"function": _name(value)}


def _catalogued(activation: AbstractActivation) -> str:
    found = activations.get(activation.name)
    if getattr(found, "f", None) != getattr(activation, "f", activation):
        raise ValueError(f"the activation {activation.name} is your own, so a file can't hold it; use a catalogued one")
    return activation.name


def _is_constant(value: Any) -> bool:
    """Whether it stands under its own name in the module of its class, as the kernels' functions do."""
    module, name = type(value).__module__, getattr(value, "name", None)
    return module.startswith(PACKAGE) and isinstance(name, str) and vars(sys.modules[module]).get(name) is value


def _name(value: Any) -> str:
    module, name = getattr(value, "__module__", None) or "", getattr(value, "__qualname__", "")
    if not module.startswith(PACKAGE) or getattr(sys.modules[module], name, None) is not value:
        raise ValueError(f"{value!r} is no part of the library, so a file can't hold it; use one of the library's own")
    return f"{module}:{name}"


def _value(data: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    match data:
        case {"activation": name, "arrays": entries}:
            leaves = [_value(entry, arrays) for entry in entries]
            return jax.tree.unflatten(jax.tree.structure(activations.get(name)), leaves)
        case {"array": name}:
            return arrays[name]
        case {"trained": name}:
            return jnp.asarray(arrays[name])
        case {"float": text}:
            return float(text)
        case {"tuple": entries}:
            return tuple(_value(entry, arrays) for entry in entries)
        case {"mapping": entries}:
            return {_value(k, arrays): _value(v, arrays) for k, v in entries}
        case {"function": name}:
            return _named(name)
        case {"class": name, "fields": fields}:
            made = _named(name)
            known = getattr(made, "_fields", None) or getattr(made, "__dataclass_fields__", ())
            if not isinstance(made, type) or set(known) != set(fields):
                raise ValueError(f"it gives {name} fields that are not its own")
            values = {key: _value(entry, arrays) for key, entry in fields.items()}
            if issubclass(made, tuple):
                return made(**values)
            new = object.__new__(made)  # as it was: its own __init__ may want other arguments
            for key, value in values.items():
                object.__setattr__(new, key, value)
            return new
    return data


def _named(text: str) -> Any:
    """The class, function or constant that `_text` names so; nothing is imported for a file."""
    module, _, name = text.partition(":")
    found = getattr(sys.modules.get(module), name, None) if module.startswith(PACKAGE) else None
    if found is None or text != (f"{type(found).__module__}:{found.name}" if _is_constant(found) else _name(found)):
        raise ValueError(f"it names {text[:80]}, which is not the library's")
    return found
