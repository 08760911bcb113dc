"""Extended XYZ files of frames: what ASE, OVITO, VMD and Jmol read and play."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from pinnact.potentials.configurations import Geometry, symbols


def write_xyz(
    path: str | Path,
    geometry: Geometry,
    frames: Float[ArrayLike, "frames a 3"],
    facts: Sequence[Mapping[str, float]] = (),
) -> None:
    """Writes positions (angstrom) of the atoms of `geometry` frame by frame; `facts` stand in each frame's header.

    `facts` are numbers by name, one mapping a frame: `{"energy": -1.2, "time": 0.5}`.
    """
    columns = "Properties=species:S:1:pos:R:3"
    if geometry.cell is not None:
        lattice = " ".join(f"{x:.10g}" for x in np.ravel(geometry.cell))
        columns = f'Lattice="{lattice}" {columns} pbc="T T T"'
    names, lines = symbols(geometry.numbers), []
    for index, positions in enumerate(np.asarray(frames, float)):
        own = "".join(f" {name}={value:.10g}" for name, value in (facts[index] if facts else {}).items())
        lines += [str(len(names)), columns + own]
        lines += [f"{name:2s} " + " ".join(f"{x:16.9f}" for x in row) for name, row in zip(names, positions)]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
