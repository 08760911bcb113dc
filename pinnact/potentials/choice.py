"""The automatic choice of a model: by the atoms and the number of frames."""

from pinnact.potentials.configurations import Configurations
from pinnact.potentials.elementnets import AtomicNetwork
from pinnact.potentials.invariant import MOST_PERMUTATIONS, InvariantMLP
from pinnact.potentials.kernel import KernelPotential
from pinnact.potentials.potential import Recipe
from pinnact.potentials.symmetries import automorphisms, bond_graph

FEW_FRAMES = 200  # below, a kernel interpolates better than a network learns
MOST_ATOMS = 12  # above, all inverse distances at once overfit a thousand frames


def automatic(train: Configurations) -> tuple[Recipe, str]:
    """The recipe for some frames, and the reason in a few words."""
    if train.cells is not None:
        return AtomicNetwork(), "networks of atoms' surroundings, since the frames are periodic"
    if train.molecule is None:
        return AtomicNetwork(), "networks of atoms' surroundings, since the frames are of many compositions"
    atoms = len(train.molecule)
    if len(train) < FEW_FRAMES:
        return KernelPotential(), f"a kernel, since {len(train)} frames are fewer than {FEW_FRAMES}"
    if atoms > MOST_ATOMS:
        return KernelPotential(), f"a kernel, since {atoms} atoms are more than {MOST_ATOMS}"
    if automorphisms(train.molecule, bond_graph(train), MOST_PERMUTATIONS) is None:
        return KernelPotential(), f"a kernel, since its bonds allow more than {MOST_PERMUTATIONS} permutations"
    return InvariantMLP(), f"a network of inverse distances: {atoms} atoms, {len(train)} frames"
