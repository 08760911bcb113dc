"""Ethanol at 500 K: its energy surface from energies and forces of GFN2-xTB."""

from pathlib import Path

from pinnact.potentials import Geometry
from pinnact.potentials.tasks import Task

POSITIONS = (
    (0.90119, -0.49372, 0.0),
    (-0.27976, 0.46425, 0.0),
    (-1.47096, -0.29512, 0.0),
    (-2.22734, 0.29954, 0.0),
    (-0.2382, 1.10827, 0.89102),
    (-0.2382, 1.10827, -0.89102),
    (1.83399, 0.0631, 0.0),
    (0.85964, -1.12729, 0.88152),
    (0.85964, -1.12729, -0.88152),
)
# fmt: off
FREQUENCIES = (
    202.4, 293.9, 393.9, 837.3, 930.3, 1040.3, 1128.0, 1152.3, 1239.7, 1265.2, 1365.5, 1404.7, 1474.4, 1493.6, 1495.6,
    2852.9, 2886.1, 3046.0, 3051.2, 3055.0, 3567.7,
)
# fmt: on


def ethanol() -> Task:
    """1,000 frames for training, 500 of another trajectory for testing, 50 fs apart; predict energy and forces.

    Langevin dynamics with GFN2-xTB (Bannwarth et al. 2019, doi:10.1021/acs.jctc.8b01176; tblite, accuracy 0.1), made by

        python scripts/generate_configurations.py CH3CH2OH --frames 1000 --seed 1 \\
            --out problems/potentials/ethanol_train.npz
        python scripts/generate_configurations.py CH3CH2OH --frames 500 --seed 2 \\
            --out problems/potentials/ethanol_test.npz

    The minimum is the trans conformer; its frequencies are GFN2-xTB's, by differences of forces at accuracy 0.001.
    """
    here = Path(__file__).parent
    return Task(
        train=here / "ethanol_train.npz",
        test=here / "ethanol_test.npz",
        engine="GFN2-xTB",
        minimum=Geometry([6, 6, 8, 1, 1, 1, 1, 1, 1], POSITIONS),
        energy=-309.988502,
        frequencies=FREQUENCIES,
    )
