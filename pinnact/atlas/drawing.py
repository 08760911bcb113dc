"""What figures of the atlas share: colours that everybody can tell apart, and a median line with its spread."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

# Okabe and Ito 2008, Color Universal Design, https://jfly.uni-koeln.de/color/
COLOURS = ("#000000", "#E69F00", "#0072B2", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")


def band(
    axes: Axes,
    x: Float[np.ndarray, " points"],
    values: Float[np.ndarray, "seeds points"],
    label: str,
    colour: str,
    style: str = "-",
) -> None:
    """The median over seeds as a line, and from the least to the greatest as a pale band."""
    axes.plot(x, np.median(values, axis=0), style, color=colour, linewidth=1.5, label=label)
    axes.fill_between(x, np.min(values, axis=0), np.max(values, axis=0), color=colour, alpha=0.15, linewidth=0)
