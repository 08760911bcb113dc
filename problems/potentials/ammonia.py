"""Ammonia and its inversion: the umbrella turns inside out through a planar saddle."""

from pathlib import Path

from pinnact.potentials import Geometry, Task

PYRAMID = (
    (0.0, 0.0, 0.29176),
    (0.0, 0.94228, -0.09725),
    (0.81604, -0.47114, -0.09725),
    (-0.81604, -0.47114, -0.09725),
)
PLANE = ((0.0, 0.0, 0.0), (0.0, 1.00268, 0.0), (0.86835, -0.50134, 0.0), (-0.86835, -0.50134, 0.0))


def ammonia() -> Task:
    """1,000 frames for training, 300 of other trajectories for testing; predict energy and forces on both sides.

    Frames by Langevin dynamics with GFN2-xTB (doi:10.1021/acs.jctc.8b01176) at 300, 600 and 1,200 K, 50 fs apart, and
    of falls from the planar saddle at 600 K, 5 fs apart, ten frames each; energies and forces by MP2/aug-cc-pVDZ
    (PySCF, doi:10.1063/5.0006074), made by

        python scripts/generate_configurations.py NH3 --temperature 300 600 1200 --planar 400 --frames 600 --seed 1 \\
            --label mp2/aug-cc-pvdz --out problems/potentials/ammonia_train.npz
        python scripts/generate_configurations.py NH3 --temperature 300 600 1200 --planar 120 --frames 180 --seed 2 \\
            --label mp2/aug-cc-pvdz --out problems/potentials/ammonia_test.npz

    The last frames of each set are the falls. Minimum, saddle and their harmonic frequencies are the engine's own.
    """
    here = Path(__file__).parent
    return Task(
        train=here / "ammonia_train.npz",
        test=here / "ammonia_test.npz",
        engine="MP2/aug-cc-pVDZ",
        minimum=Geometry([7, 1, 1, 1], PYRAMID),
        energy=-1534.931188,
        frequencies=(1044.4, 1650.6, 1650.7, 3484.0, 3639.7, 3639.8),
        saddle=Geometry([7, 1, 1, 1], PLANE),
        barrier=0.22746,
        saddle_frequencies=(-821.8, 1582.2, 1582.3, 3637.2, 3874.2, 3874.4),
    )
