"""Where the arrays of a run live: on one device, or points spread over many and all the rest copied to each.

A chunk of steps is compiled as for one device; from the placement of what it is given the compiler finds which sums go
over devices. Points are padded to a multiple of the number of devices with copies whose share is zero.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from pinnact.system import Batch, Batches

POINTS = "points"  # the name of the one axis of the mesh


class AbstractPlacement:
    """How arrays get to the `count` devices, and back to the one on which the rest of a run is computed."""

    count: int

    @abstractmethod
    def spread(self, batches: Batches) -> Batches:
        """Batches with their points over the devices."""

    @abstractmethod
    def copied(self, tree: Any) -> Any:
        """Arrays on every device."""

    @abstractmethod
    def local(self, tree: Any) -> Any:
        """Arrays that every device has, on the first device of this process."""

    @property
    @abstractmethod
    def words(self) -> str:
        """The devices in words."""


class OneDevice(AbstractPlacement):
    """All arrays stay where they are: on JAX's default device."""

    count = 1

    def spread(self, batches: Batches) -> Batches:
        """The same."""
        return batches

    def copied(self, tree: Any) -> Any:
        """The same."""
        return tree

    def local(self, tree: Any) -> Any:
        """The same."""
        return tree

    @property
    def words(self) -> str:
        """The default device."""
        return str(next(iter(jnp.zeros(()).devices())))


class ManyDevices(AbstractPlacement):
    """Points over `devices`, of this process or of several (`jax.distributed`); everything else on each of them."""

    def __init__(self, devices: Sequence[Any]) -> None:
        mesh = Mesh(np.array(devices), (POINTS,))
        self.devices, self.count = tuple(devices), len(devices)
        self.rows, self.copies = NamedSharding(mesh, PartitionSpec(POINTS)), NamedSharding(mesh, PartitionSpec())
        self.last: tuple[Batches, Batches] | None = None

    def spread(self, batches: Batches) -> Batches:
        """Padded and placed; remembered while the batches are the same object."""
        if self.last is None or self.last[0] is not batches:
            padded = {name: pad(batch, self.count) for name, batch in batches.items()}
            self.last = (batches, self._put(padded, self.rows))
        return self.last[1]

    def copied(self, tree: Any) -> Any:
        """A copy on each device; what is there already stays."""
        return self._put(tree, self.copies)

    def local(self, tree: Any) -> Any:
        """The copy of this process's first device."""
        return jax.tree.map(lambda a: jnp.asarray(np.asarray(a.addressable_shards[0].data)), tree)

    @staticmethod
    def _put(tree: Any, sharding: NamedSharding) -> Any:
        place = lambda a: a if a.sharding == sharding else jax.device_put(np.asarray(a), sharding)
        return jax.tree.map(place, tree)

    @property
    def words(self) -> str:
        """How many, and of which kind."""
        hosts = len({device.process_index for device in self.devices})
        return f"{self.count} {self.devices[0].platform} devices" + (f" of {hosts} processes" if hosts > 1 else "")


def pad(batch: Batch, count: int) -> Batch:
    """A batch with a multiple of `count` points: copies of the last one with share 0, the others' shares scaled so
    that `sum(share r^2) / n` stays what it was.
    """
    n = len(batch.points)
    more = -n % count
    if not more:
        return batch
    longer = lambda a: jnp.concatenate([a, jnp.repeat(a[-1:], more, axis=0)])
    shares = jnp.concatenate([batch.shares * (n + more) / n, jnp.zeros(more, batch.shares.dtype)])
    return jax.tree.map(longer, batch)._replace(shares=shares)


def placement(devices: int | Sequence[Any] | None) -> AbstractPlacement:
    """The placement that a `devices` argument means: a number of JAX's devices, a sequence of them, None for one.

    ValueError where there are not so many.
    """
    if devices is None:
        return OneDevice()
    found = jax.devices()
    if isinstance(devices, int):
        if not 1 <= devices <= len(found):
            repair = "; XLA_FLAGS=--xla_force_host_platform_device_count=8 makes 8 of a CPU"
            raise ValueError(
                f"devices={devices}: JAX sees {len(found)} {found[0].platform} device{'s' * (len(found) > 1)} here"
                + repair * (found[0].platform == "cpu")
            )
        devices = found[:devices]
    if not devices:
        raise ValueError("devices=[]: give at least one")
    return ManyDevices(list(devices))
