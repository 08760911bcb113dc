"""Figures have the panels and labels that a problem's dimension asks for, and leave nothing behind in pyplot."""

from math import pi

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from PIL import Image
from untrained import untrained

import pinnact as pn
from pinnact.figures import colours


def problem(domain: pn.Domain, reference=None, **options) -> pn.Problem:
    equations = options.pop("equations", {"balance": lambda u: u.d(domain.coordinates[0]) - u})
    return pn.Problem(domain, equations=equations, reference=reference, name="made up", **options)


def labels(figure: Figure) -> set[str]:
    """What the axes and colour bars of a figure say."""
    panels = [*figure.axes, *(child for axes in figure.axes for child in axes.child_axes)]
    return {text for axes in panels for text in (axes.get_xlabel(), axes.get_ylabel()) if text}


SQUARE = pn.Rectangle(x=(0, 1), y=(0, 2))
WAVE = pn.Interval(x=(-1, 1)) * pn.Time(t=(0, 1))
HISTORY = {"seconds of training", "loss and error"}
RESIDUAL = "|residual 'balance'|"
COMPLEX = {"schroedinger": lambda h: 1j * h.t + h.xx}
PAIR = {"unknowns": {"v": 2, "p": 1}, "equations": {"balance": lambda v, p: v.div + p}}

DOTS = np.random.default_rng(0).uniform(0, 1, (80, 2))
CLOUD = pn.PointCloud(DOTS[:60], boundary={"rim": DOTS[60:]})

CASES = {
    "cloud": (problem(CLOUD, lambda x: x), {"x", "y", "u", "u, reference", "|u - reference|", RESIDUAL}),
    "cloud unknown": (problem(CLOUD), {"x", "y", "u", RESIDUAL}),
    "ode": (problem(pn.Time(s=(0, 1)), lambda s: s), {"s", "u", "|u - reference|", RESIDUAL}),
    "line": (problem(pn.Interval(x=(0, 1))), {"x", "u", RESIDUAL}),
    "wave": (problem(WAVE, lambda x, t: x * t), {"t", "x", "u", "u, reference", "|u - reference|", RESIDUAL}),
    "square": (problem(SQUARE), {"x", "y", "u", RESIDUAL}),
    "disk": (problem(pn.Disk(), lambda x: x), {"x", "y", "u", "u, reference", "|u - reference|", RESIDUAL}),
    "complex": (
        problem(WAVE, lambda x, t: np.exp(1j * x), unknowns={"h": complex}, equations=COMPLEX),
        {"|h|", "Re h", "|h - reference|", "|Re(h - reference)|", "|residual 'schroedinger'|"},
    ),
    "pair": (problem(SQUARE, {"p": lambda x: x}, **PAIR), {"v[0]", "v[1]", "p", "|p - reference|", RESIDUAL}),
    "slices": (problem(pn.Disk() * pn.Time(t=(0, 1)), lambda x, t: x + t), {"x", "y", "u", "|u - reference|"}),
    "planes": (problem(pn.Box(x=(0, 1), y=(0, 1), z=(0, 1))), {"x", "y", "z", "u", RESIDUAL}),
    "many": (problem(pn.Box(a=(0, 1), b=(0, 1), c=(0, 1), d=(0, 1)), lambda a: a), {"u", "u, reference"}),
    "many unknown": (problem(pn.Box(a=(0, 1), b=(0, 1), c=(0, 1), d=(0, 1))), {"u"}),
}


@pytest.mark.parametrize("name", CASES)
def test_every_dimension_has_its_figure(name, tmp_path):
    made_up, expected = CASES[name]
    figure = untrained(made_up).plot(path=tmp_path / "solution.png")
    assert isinstance(figure, Figure) and expected | HISTORY <= labels(figure)
    assert pyplot.get_fignums() == []
    with Image.open(tmp_path / "solution.png") as image:
        assert image.size[0] == 1200 and 600 <= image.size[1] <= 1600
    assert [path.name for path in tmp_path.iterdir()] == ["solution.png"]


def test_data_are_marked_where_they_were_taken():
    observed = problem(pn.Interval(x=(0, 1))).observe([[0.2], [0.7]], u=[1.0, 3.0])
    (left, *_) = untrained(observed).plot().axes
    dots = next(line for line in left.lines if line.get_label() == "data")
    np.testing.assert_array_equal(dots.get_xydata(), [[0.2, 1.0], [0.7, 3.0]])
    (left, *_) = untrained(problem(WAVE).observe([[0.5, 0.1]], u=[0.0])).plot().axes
    np.testing.assert_array_equal(left.lines[0].get_xydata(), [[0.1, 0.5]])


def test_oblong_domains_fill_their_panels():
    flat = problem(pn.Rectangle(x=(0, 10), y=(0, 1)) * pn.Time(t=(0, 1)))
    assert untrained(flat).plot().axes[0].get_aspect() == "auto"
    assert untrained(CASES["slices"][0]).plot().axes[0].get_aspect() == 1.0


def test_one_unknown_may_be_picked():
    figure = untrained(problem(SQUARE, **PAIR)).plot("p")
    assert "p" in labels(figure) and "v[0]" not in labels(figure)


def test_outside_of_the_domain_is_white():
    figure = untrained(problem(pn.Disk())).plot()
    image = np.ma.getdata(figure.axes[0].collections[0].get_array()).reshape(201, 201)
    assert np.isnan(image[0, 0]) and np.isfinite(image[100, 100])


def test_history_has_a_curve_for_loss_error_and_each_residual():
    made_up = problem(WAVE, lambda x, t: x, conditions={"start": pn.On(WAVE.initial, lambda u: u.x)})
    panel = untrained(made_up).plot().axes[-1]
    assert [line.get_label() for line in panel.lines] == ["loss", "balance", "start", "relative L2 error"]
    assert panel.get_yscale() == "log"


def test_a_history_of_nothing_positive_is_drawn_all_the_same():
    found = untrained(problem(WAVE))
    found.history.rows = [{"step": 0, "seconds": 0.0, "loss": float("nan"), "balance": 0.0, "error": None}]
    found.plot()


@pytest.mark.parametrize("values", [np.zeros(3), np.full(3, np.nan), np.ones(3), np.array([0.0, 1e-3])])
@pytest.mark.parametrize("log", [True, False])
def test_colour_scales_of_degenerate_data(values, log):
    norm, _ = colours([values], log)
    assert norm.vmin is not None and np.isfinite(norm.vmin) and norm.vmax >= norm.vmin


@pytest.mark.parametrize("space", [pn.Interval(x=(0, pi)), pn.Disk()])
def test_animations_have_a_frame_an_instant(space, tmp_path):
    untrained(problem(space * pn.Time(t=(0, 1)), lambda x, t: x + t)).animate(tmp_path / "a.gif", frames=4)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == 4
    assert pyplot.get_fignums() == [] and len(list(tmp_path.iterdir())) == 1


def test_animations_take_time(tmp_path):
    with pytest.raises(ValueError, match="can't be animated"):
        untrained(problem(SQUARE)).animate(tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []
