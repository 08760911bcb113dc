"""A solution as a film."""

from pathlib import Path

import numpy as np
from matplotlib.animation import PillowWriter
from matplotlib.figure import Figure

from pinnact.figures import Cut, colour_bar, colour_map, colours, is_cloud, name_axes, quantities, similar
from pinnact.plotting import Trained, reference_at


def animate(solution: Trained, path: Path, unknown: str | None = None, frames: int = 60) -> None:
    """Write a GIF of `frames` instants: a moving curve over one space coordinate, a colour map over two."""
    domain, quantity = solution.problem.domain, quantities(solution.problem, unknown)[0]
    if domain.time is None or len(domain.space) not in (1, 2) or is_cloud(domain):
        raise ValueError(f"{domain} can't be animated: it takes one or two space coordinates and time; use plot()")
    if frames < 2:
        raise ValueError(f"frames={frames}: give at least 2")
    instants = np.linspace(*domain.bounds[domain.time], frames)
    figure = Figure(figsize=(5.2, 3.6), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    if len(domain.space) == 1:
        x = np.linspace(*domain.bounds[domain.space[0]], 401)
        points = np.stack([np.tile(x, frames), np.repeat(instants, len(x))], axis=-1)
        prediction = quantity.of(solution.evaluator.values(points)[quantity.unknown]).reshape(frames, -1)
        known = reference_at(solution, points).get(quantity.unknown)
        exact = None if known is None else quantity.of(known).reshape(frames, -1)
        lines = axes.plot(x, prediction[0], color="C0", label=quantity.label)
        if exact is not None:
            lines += axes.plot(x, exact[0], "k--", linewidth=0.9, label="reference")
        everything = np.concatenate([prediction.ravel(), [] if exact is None else exact.ravel()])
        low, high = np.nanmin(everything), np.nanmax(everything)
        margin = 0.05 * (high - low) or 1.0
        axes.set_ylim(low - margin, high + margin)
        axes.legend(fontsize=8, loc="upper right", frameon=False)
        name_axes(axes, domain.space[0], quantity.label)

        def draw(frame: int) -> None:
            for line, data in zip(lines, (prediction, exact)):
                line.set_ydata(data[frame])  # type: ignore[index]
    else:
        cuts = [Cut.of(domain, domain.space[:2], {domain.time: t}, 151) for t in instants]  # type: ignore[arg-type]
        images = [quantity.of(solution.evaluator.values(cut.points)[quantity.unknown]) for cut in cuts]
        norm, palette = colours(images, log=False)
        drawn = colour_map(axes, cuts[0], images[0], norm, palette, similar(domain, cuts[0].axes))
        colour_bar(axes, drawn, quantity.label)

        def draw(frame: int) -> None:
            drawn.set_array(cuts[frame].fill(images[frame]))

    writer = PillowWriter(fps=15)
    with writer.saving(figure, str(path), dpi=110):
        for frame, instant in enumerate(instants):
            draw(frame)
            axes.set_title(f"{solution.problem.name}, {domain.time} = {instant:.3f}", fontsize=9)
            writer.grab_frame()
