"""A model: the networks and inferred coefficients of one problem, as one Equinox module."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from pinnact.characteristics import wave_vectors
from pinnact.coefficients import trainable
from pinnact.networks import Inputs, Recipe
from pinnact.problem import Problem

Networks = Recipe | eqx.Module | Mapping[str, Recipe | eqx.Module]


class Model(eqx.Module):
    """`networks` give the real outputs of all unknowns in a row; `coefficients` are what `infer` made trainable."""

    networks: tuple[eqx.Module, ...]
    coefficients: dict[str, Callable[[Array], Array]]

    def outputs(self, point: Float[Array, " d"]) -> Float[Array, " m"]:
        """The raw outputs at a point, before anything is built in."""
        parts = [jnp.atleast_1d(network(point)) for network in self.networks]  # type: ignore[operator]
        return parts[0] if len(parts) == 1 else jnp.concatenate(parts)

    @property
    def parameters(self) -> int:
        """The number of trainable numbers."""
        return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(self, eqx.is_inexact_array)))


def smoothness(networks: Networks) -> dict[str, float]:
    """k of C^k by unknown (`""` for a shared network); infinite for modules that don't say."""
    by_unknown = networks if isinstance(networks, Mapping) else {"": networks}
    for network in by_unknown.values():
        if isinstance(network, type) or not callable(getattr(network, "build", network)):
            name = getattr(network, "__name__", repr(network))
            raise ValueError(f"network={name} is no network; give a recipe such as pn.MLP(), or a module of one point")
    return {name: float(getattr(network, "smoothness", np.inf)) for name, network in by_unknown.items()}


def activation_label(network: Networks) -> str:
    """The activations of a network by name, for messages and summaries."""
    if isinstance(network, Mapping):
        return "/".join(dict.fromkeys(activation_label(part) for part in network.values()))
    activation = getattr(network, "activation", None)
    parts = activation if isinstance(activation, tuple | list) else [activation]
    return "/".join(dict.fromkeys(getattr(part, "name", "its own activation") for part in parts))


def parts(networks: Networks) -> list[Any]:
    """The networks one by one."""
    return list(networks.values()) if isinstance(networks, Mapping) else [networks]


def each(networks: Networks, change: Callable[[Any], Any]) -> Networks:
    """The networks, each changed."""
    return {k: change(part) for k, part in networks.items()} if isinstance(networks, Mapping) else change(networks)


def describe(network: Networks) -> str:
    """A network in a few words, for summaries."""
    if isinstance(network, Mapping):
        return ", ".join(f"{name}: {describe(part)}" for name, part in network.items())
    width, depth = getattr(network, "width", None), getattr(network, "depth", None)
    kind = type(network).__name__ + (" gated" if getattr(network, "gated", False) else "")
    return kind if width is None else f"{kind} {depth}x{width}"


def build_model(problem: Problem, networks: Networks, key: PRNGKeyArray) -> Model:
    """The model of a problem: one shared network, or one an unknown where `networks` maps unknowns to recipes.

    Raises ValueError when an unknown has no network or a module's output has the wrong size.
    """
    inputs = Inputs(dict(problem.domain.bounds), tuple(problem.domain.periodic), wave_vectors(problem))
    k_networks, k_coefficients = jax.random.split(key)
    sizes = {name: unknown.size for name, unknown in problem.fields.items()}
    if isinstance(networks, Mapping):
        if set(networks) != set(sizes):
            raise ValueError(f"networks for {', '.join(networks)}; give one for each unknown: {', '.join(sizes)}")
        parts = {name: (networks[name], size) for name, size in sizes.items()}
    else:
        parts = {", ".join(sizes): (networks, sum(sizes.values()))}
    keys = jax.random.split(k_networks, len(parts))
    modules = tuple(_module(name, *part, inputs, k) for (name, part), k in zip(parts.items(), keys, strict=True))
    keys = jax.random.split(k_coefficients, max(len(problem.inferred), 1))
    guesses = zip(problem.inferred.items(), keys)
    return Model(modules, {name: trainable(guess, inputs, k) for (name, guess), k in guesses})


def _module(name: str, network: Recipe | eqx.Module, size: int, inputs: Inputs, key: PRNGKeyArray) -> eqx.Module:
    module = network.build(inputs, size, key) if hasattr(network, "build") else network  # type: ignore[union-attr]
    if not callable(module):
        raise ValueError(f"network={network!r} is neither a recipe (pn.MLP(...)) nor a function of one point")
    float_ = jnp.zeros(()).dtype
    # A module made outside the precision context would keep its own precision.
    module = jax.tree.map(lambda leaf: jnp.asarray(leaf, float_) if eqx.is_inexact_array(leaf) else leaf, module)
    point = jax.ShapeDtypeStruct((len(inputs.bounds),), float_)
    try:
        shape = jax.eval_shape(lambda p: jnp.atleast_1d(module(p)), point).shape
    except (TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"the network of {name} can't take a point of {len(inputs.bounds)} numbers: {reason}"
        ) from error
    if shape != (size,):
        raise ValueError(f"the network of {name} gives shape {shape}, the problem needs ({size},); change its outputs")
    return module
