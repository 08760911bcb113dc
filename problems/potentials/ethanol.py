"""Ethanol at 500 K: its energy surface from energies and forces of GFN2-xTB."""

from pathlib import Path

from pinnact.potentials import Geometry, Task

POSITIONS = (
    (0.70928, -0.33402, -0.47967),
    (-0.22753, 0.1373, 0.62764),
    (-1.23436, 1.00333, 0.1583),
    (-1.71598, 0.56061, -0.5496),
    (-0.6771, -0.73269, 1.12992),
    (0.32549, 0.71556, 1.37125),
    (1.50251, -0.94673, -0.06061),
    (0.1647, -0.92531, -1.21478),
    (1.15299, 0.52196, -0.98245),
)
# fmt: off
FREQUENCIES = (
    225.3, 339.9, 420.5, 831.5, 932.0, 1045.5, 1089.8, 1129.8, 1235.3, 1314.5, 1349.6, 1404.7, 1482.9, 1489.8, 1497.0,
    2865.7, 2982.9, 3018.5, 3043.7, 3049.0, 3541.8,
)
# fmt: on


def ethanol() -> Task:
    """1,000 frames for training, 500 of another trajectory for testing, 50 fs apart; predict energy and forces.

    Langevin dynamics with GFN2-xTB (Bannwarth et al. 2019, doi:10.1021/acs.jctc.8b01176; tblite, accuracy 0.1), made by

        python scripts/generate_configurations.py CH3CH2OH --frames 1000 --seed 1 \\
            --out problems/potentials/ethanol_train.npz
        python scripts/generate_configurations.py CH3CH2OH --frames 500 --seed 2 \\
            --out problems/potentials/ethanol_test.npz

    The lowest minimum is gauche for this engine, 0.067 eV below trans, where 5 % of the training frames are. Its
    frequencies are by differences of forces at accuracy 0.001.
    """
    here = Path(__file__).parent
    return Task(
        train=here / "ethanol_train.npz",
        test=here / "ethanol_test.npz",
        engine="GFN2-xTB",
        minimum=Geometry([6, 6, 8, 1, 1, 1, 1, 1, 1], POSITIONS),
        energy=-310.055768,
        frequencies=FREQUENCIES,
    )
