"""Forces of a molecule: what a kinked activation does to them, and to the energy in dynamics."""

import numpy as np
from matplotlib.figure import Figure

from pinnact import activations, library, potentials
from pinnact.atlas import Finding

NAMES, KINKED = ("relu", "tanh", "gelu", "silu"), "relu"
SMOOTH = NAMES[1:]
STEPS, WIDTH = 2500, 64
SPAN, POINTS, COARSE = 0.08, 1601, 4  # angstrom and points of the stretch, 0.05 mA apart, and of the coarser look
TIMESTEP, MOTION = 0.5, 6000  # fs, and steps of the dynamics: 3 ps


def force_field(seeds: int = 5) -> Finding:
    """A force is the slope of an energy, and the slope of a network of relu is a staircase: beside tanh, gelu and silu
    at equal training its forces are wrong by more than twice as much, they jump along a bond however finely it is
    stretched, and dynamics at constant energy don't keep it.

    Networks of the inverse distances of ammonia, two layers of 64, are trained on energies and forces of 950 of its
    1,000 frames (MP2/aug-cc-pVDZ) for 2,500 steps of 16 frames, all seeds together. Measures on 300 frames of other
    trajectories the mean absolute error of force components; on an N-H bond stretched by 0.08 angstrom the largest
    change of the force from point to point, 0.05 mA apart, and how much larger it is four times as far apart: 4 times
    where the force has a slope, as large where it jumps; and of 3 ps at constant energy, 300 K at first, by velocity
    Verlet of 0.5 fs, the drift (a straight line through the energy) and the largest deviation, a value a seed.

    Source: Schuett et al. 2017, arXiv:1706.08566, for smooth activations in potentials; Swope et al. 1982,
    doi:10.1063/1.442716, for the dynamics; data as told in problems/potentials/ammonia.py.
    """
    task = library.load(library.find("potentials/ammonia"))()
    train, test = task.data()
    measured, stretches, paths = {}, {}, {}
    for name in NAMES:
        recipe = potentials.InvariantMLP(width=WIDTH, activation=activations.get(name))
        settings = potentials.Matching(batch=16, average=STEPS // 10)
        together = potentials.Ensemble(recipe, max(seeds, 2))
        found = potentials.fit(train, together, steps=STEPS, matching=settings, allow_rough=True)
        known = found.molecule, found.elements, found.summary, found.history
        surfaces = [potentials.Surface(found.potential.member(seed), *known) for seed in range(seeds)]
        stretches[name] = [_stretch(surface, task.minimum) for surface in surfaces]
        paths[name] = [_dynamics(surface, task.minimum, seed) for seed, surface in enumerate(surfaces)]
        measured[name] = {
            "force error (meV/A)": [s.errors(test)["force_mae_mev_per_angstrom"] for s in surfaces],
            "jump (meV/A)": [1e3 * s.jump for s in stretches[name]],
            "coarse over fine": [_coarser(s.forces) for s in stretches[name]],
            "drift (meV/atom/10 ps)": [abs(path.drift.value) for path in paths[name]],
            "deviation (meV/atom)": [path.deviation for path in paths[name]],
            "stopped early": sum(path.exploded for path in paths[name]),
        }
    return Finding(measured, _checks(measured), {"forces": _draw(stretches, paths)})


def _stretch(surface: potentials.Surface, minimum: potentials.Geometry) -> potentials.Stretch:
    return potentials.stretch(surface.potential, minimum, (0, 1), span=SPAN, points=POINTS)


def _dynamics(surface: potentials.Surface, minimum: potentials.Geometry, seed: int) -> potentials.Trajectory:
    options = {"steps": MOTION, "timestep": TIMESTEP, "every": 20, "seed": seed}
    return potentials.constant_energy(surface.potential, minimum, temperature=300.0, **options)


def _coarser(forces: np.ndarray) -> float:
    """The largest change of a force over `COARSE` spacings over that of one: `COARSE` of a slope, 1 of a jump."""
    return float(np.abs(forces[COARSE:] - forces[:-COARSE]).max() / np.abs(np.diff(forces)).max())


def _checks(measured: dict[str, dict]) -> dict[str, bool]:
    middle = lambda name, key: float(np.median(measured[name][key]))
    smooth = lambda key: [value for name in SMOOTH for value in measured[name][key]]
    worst = lambda key: max(middle(name, key) for name in SMOOTH)
    error, drift, away = "force error (meV/A)", "drift (meV/atom/10 ps)", "deviation (meV/atom)"
    kept = all(measured[name]["stopped early"] == 0 for name in SMOOTH)
    return {
        "relu's forces are wrong by more than twice those of each other": middle(KINKED, error) > 2 * worst(error),
        "with the others the force has a slope: 4 times as far, 3.8 to 4.1 times the change": all(
            3.8 < ratio < 4.1 for ratio in smooth("coarse over fine")
        ),
        "with relu it jumps: 4 times as far, less than twice the change": max(measured[KINKED]["coarse over fine"]) < 2,
        "with the others the energy drifts by less than 1 meV an atom in 10 ps": kept and max(smooth(drift)) < 1,
        "relu's energy strays ten times as far as that of each other": middle(KINKED, away) > 10 * worst(away),
    }


def _draw(stretches: dict[str, list], paths: dict[str, list]) -> Figure:
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    whole, part, energy = figure.subplots(1, 3)
    for number, name in enumerate(NAMES):
        style = {"color": ("#d55e00", "#0072b2", "#009e73", "#cc79a7")[number], "label": name, "linewidth": 1.2}
        along, path = stretches[name][0], paths[name][0]
        near = np.abs(along.lengths - along.lengths.mean()) < SPAN / 40
        whole.plot(along.lengths, along.forces, **style)
        part.plot(
            along.lengths[near], 1e3 * (along.forces[near] - along.forces[near].mean()), ".-", markersize=2, **style
        )
        off = 1e3 * (path.total_energies - path.total_energies[0]) / len(path.masses)
        energy.plot(path.times / 1e3, off, **style)
    whole.set(title="Force along a stretched N-H bond", ylabel="force (eV/angstrom)")
    part.set(title="The middle of it, from its mean", ylabel="force (meV/angstrom)")
    energy.set(title="Dynamics at constant energy", xlabel="time (ps)", ylabel="change of the energy (meV/atom)")
    for axes in (whole, part):
        axes.set_xlabel("N-H distance (angstrom)")
    for axes in figure.axes:
        axes.legend(fontsize=8)
        axes.grid(alpha=0.3, linewidth=0.5)
    return figure
