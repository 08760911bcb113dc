"""Domains, by their mathematics: measures, normals, the divergence theorem, distances, projections, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from shapes import HOLE, L_SHAPE, cube_mesh, square_mesh

from pinnact.domains import (
    Ball,
    Box,
    Combination,
    Disk,
    Domain,
    Ellipse,
    Ellipsoid,
    Interval,
    Mesh,
    Polygon,
    Rectangle,
    Time,
)

SPACES = {  # a domain and its exact measures: inside and boundary
    "interval": (Interval(x=(-1, 2)), 3.0, 2.0),
    "rectangle": (Rectangle(x=(0, 2), y=(-1, 0)), 2.0, 6.0),
    "box": (Box(x=(0, 1), y=(0, 2), z=(0, 3)), 6.0, 22.0),
    "box4": (Box(a=(0, 1), b=(0, 1), c=(0, 1), d=(0, 2)), 2.0, 14.0),
    "disk": (Disk(x=0.5, y=-0.5, radius=0.7), np.pi * 0.49, np.pi * 1.4),
    "ellipse": (Ellipse(radii=(3.0, 1.0)), 3.0 * np.pi, 13.364893220555258),  # Abramowitz & Stegun 17.3
    "ball": (Ball(x=1.0, radius=1.5), 4.5 * np.pi, 9.0 * np.pi),
    # prolate spheroid: 2 pi a^2 (1 + c / (a e) asin e), e^2 = 1 - a^2 / c^2
    "spheroid": (
        Ellipsoid({"x": 0.0, "y": 0.0, "z": 1.0}, (1.0, 1.0, 2.0)),
        8.0 / 3.0 * np.pi,
        2.0 * np.pi * (1.0 + 2.0 / np.sqrt(0.75) * np.arcsin(np.sqrt(0.75))),
    ),
    "ball4": (Ellipsoid(dict.fromkeys("abcd", 0.0), (1.0,) * 4), np.pi**2 / 2.0, 2.0 * np.pi**2),
    "ellipsoid4": (Ellipsoid(dict.fromkeys("abcd", 0.0), (1.0, 1.0, 1.0, 0.5)), np.pi**2 / 4.0, None),
    "polygon": (
        Polygon(L_SHAPE, holes=[HOLE]),
        3.0 - 0.08,
        8.0 + 0.4 + np.hypot(0.1, 0.4) + np.hypot(0.3, 0.4),
    ),
    "clockwise": (Polygon(L_SHAPE[::-1], holes=[HOLE[::-1]]), 3.0 - 0.08, None),
    "notched": (Rectangle(x=(0, 1), y=(0, 1)) - Disk(x=1.0, y=1.0, radius=0.5), 1.0 - np.pi / 16, 3.0 + np.pi / 4),
    "drilled": (Rectangle(x=(-1, 1), y=(-1, 1)) - Disk(radius=0.5), 4.0 - np.pi / 4, 8.0 + np.pi),
    "union": (Disk(radius=1.0) | Rectangle(x=(0, 2), y=(-1, 1)), np.pi / 2 + 4.0, np.pi + 6.0),
    "lens": (
        Disk(x=0.0) & Disk(x=1.0),
        2.0 * np.pi / 3.0 - np.sqrt(0.75),
        4.0 * np.pi / 3.0,
    ),
    "half ball": (Ball() - Box(x=(-2, 2), y=(-2, 2), z=(-2, 0)), 2.0 * np.pi / 3.0, 3.0 * np.pi),
    "pieced": (Interval(x=(0, 3)) - Interval(x=(1, 2)), 2.0, 4.0),
    "mesh": (Mesh(*square_mesh()), 0.75, 4.0),
    "tetrahedra": (Mesh(*cube_mesh()), 1.0, 6.0),
    "mesh minus disk": (Mesh(*square_mesh()) - Disk(radius=0.3), 0.75 - np.pi * 0.09 / 4, None),
}
DOMAINS = {name: domain for name, (domain, *_) in SPACES.items()}
DOMAINS |= {f"{name} * time": DOMAINS[name] * Time(t=(1, 3)) for name in ("interval", "disk", "polygon", "drilled")}
every_domain = pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)


def field(points: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """F_i = sin(x_i + x_{i+1} / 2) + x_i (1 + time / 5) over `size` space coordinates, and its divergence."""
    space = points[:, :size]
    clock = 1.0 + (points[:, size:].sum(axis=1, keepdims=True)) / 5.0
    phase = space + 0.5 * np.roll(space, -1, axis=1)
    factor = 1.5 if size == 1 else 1.0
    return np.sin(phase) + space * clock, (factor * np.cos(phase) + clock).sum(axis=1)


@pytest.mark.parametrize("name", SPACES)
def test_measures_agree_with_formulas(name: str) -> None:
    domain, inside, boundary = SPACES[name]
    # Combinations are measured by quasi-Monte Carlo: 65,536 points inside, 16,384 on the whole boundary.
    sampled = isinstance(domain, Combination)
    assert domain.measure == pytest.approx(inside, rel=5e-4 if sampled else 1e-12)
    assert domain.interior.measure == domain.measure
    if boundary is not None:
        assert domain.boundary.measure == pytest.approx(boundary, rel=3e-3 if sampled else 1e-12)
    product = domain * Time(t=(0, 2.5))
    assert product.measure == pytest.approx(2.5 * domain.measure)
    assert product.boundary.measure == pytest.approx(2.5 * domain.boundary.measure)
    assert product.initial.measure == domain.measure


@every_domain
def test_the_divergence_theorem(domain: Domain) -> None:
    size = len(domain.space)
    inside = domain.sample(2**13)
    on = domain.boundary.sample(2**13)
    assert on.normals is not None
    flux = domain.boundary.measure * np.mean(np.sum(field(on.points, size)[0] * on.normals, axis=1))
    source = domain.measure * np.mean(field(inside, size)[1])
    scale = domain.measure * np.mean(np.abs(field(inside, size)[1]))
    assert flux == pytest.approx(source, abs=4e-3 * scale)


@every_domain
def test_normals_are_unit_vectors_that_point_outwards(domain: Domain) -> None:
    size = len(domain.space)
    for piece in domain.pieces:
        points, normals = piece.sample(200, seed=1)
        assert normals is not None and normals.shape == (200, size)
        assert np.allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-13)
        step = np.pad(1e-5 * normals, ((0, 0), (0, domain.dimension - size)))
        # At most a few points lie so close to a corner that a step along the normal doesn't tell.
        assert np.mean(domain.contains(points - step)) > 0.98
        assert np.mean(~domain.contains(points + step)) > 0.98


@every_domain
@pytest.mark.parametrize("method", ["sobol", "uniform", "lhs", "halton", "grid"])
def test_points_lie_in_the_closed_domain(domain: Domain, method: str) -> None:
    inside = domain.sample(150, method, 5)
    on = domain.boundary.sample(150, method, 5).points
    for points in (inside, on):
        assert points.shape[1] == domain.dimension and domain.contains(points).all()
        assert len(points) >= 150 if method == "grid" else len(points) == 150
    assert np.array_equal(inside, domain.sample(150, method, 5))
    low, high = np.array(list(domain.bounds.values())).T
    assert not domain.contains(np.stack([low, high]) + 1.1 * np.stack([low - high, high - low])).any()


@every_domain
def test_points_spread_evenly(domain: Domain) -> None:
    """Means and mean squares agree between the sampler and an independent one: the closed domain's share of a box."""
    low, high = np.array(list(domain.bounds.values())).T
    cloud = np.random.default_rng(0).uniform(low, high, (40000, domain.dimension))
    reference = (cloud[domain.contains(cloud)] - low) / (high - low)
    drawn = (domain.sample(4096) - low) / (high - low)
    spread = 5.0 * reference.std(axis=0) / np.sqrt(len(reference))
    assert np.all(np.abs(drawn.mean(axis=0) - reference.mean(axis=0)) < spread + 1e-3)
    assert np.all(np.abs((drawn**2).mean(axis=0) - (reference**2).mean(axis=0)) < 2.0 * spread + 1e-3)


@every_domain
def test_distances_vanish_on_the_piece_only_and_projections_land_on_it(domain: Domain) -> None:
    inside = jnp.asarray(domain.sample(300))
    for piece in [*domain.pieces, *(domain.initial.pieces + domain.final.pieces if domain.time else ())]:
        assert (piece.distance is None) == (piece.project is None)
        if piece.distance is None or piece.project is None:
            continue
        on = jnp.asarray(piece.sample(100).points)
        assert np.abs(jax.vmap(piece.distance)(on)).max() < 1e-12
        values = jax.vmap(piece.distance)(inside)
        assert values.min() > 0.0 and 0.5 < values.max() < 1.0 + 1e-12
        assert np.allclose(jax.vmap(piece.project)(on), on, atol=1e-12)
        landed = jax.vmap(piece.project)(inside)
        assert np.abs(jax.vmap(piece.distance)(landed)).max() < 1e-12
        if domain.axes is not None:
            assert domain.contains(np.asarray(landed)).all()


@pytest.mark.parametrize("domain", [Disk(x=0.3, y=0.2), Ellipse(radii=(2.0, 0.5)), Ball()], ids=repr)
def test_the_projection_is_finite_at_the_centre(domain: Ellipsoid) -> None:
    (rim,) = domain.pieces
    assert rim.project is not None and rim.distance is not None and rim.outside is not None
    centre = jnp.asarray(domain.centre)
    assert rim.distance(centre) == 1.0
    assert abs(rim.distance(rim.project(centre))) < 1e-12
    assert np.isfinite(jax.jacobian(rim.project)(centre)).all()
    assert np.isfinite(jax.hessian(rim.outside)(centre)).all()
    assert rim.project(centre.astype(jnp.float32)).dtype == jnp.float32


def test_boundary_points_of_an_ellipse_are_uniform_by_length() -> None:
    points = Ellipse(radii=(4.0, 1.0)).boundary.sample(2**14).points
    angle = np.linspace(0.0, 2.0 * np.pi, 20001)
    speed = np.hypot(4.0 * np.sin(angle), np.cos(angle))
    share = np.cumsum(speed[:-1]) / speed[:-1].sum()
    drawn = np.sort(np.arctan2(points[:, 1], points[:, 0] / 4.0) % (2.0 * np.pi))
    expected = np.interp((np.arange(2**14) + 0.5) / 2**14, share, angle[1:])
    assert np.abs(drawn - expected).max() < 0.02


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Interval(x=(1, 0)), "below the upper"),
        (lambda: Interval(x=(1, 1)), "below the upper"),
        (lambda: Interval(x=(0, np.inf)), "not finite"),
        (lambda: Interval(x=3), "is no interval"),
        (lambda: Interval(x=(0, 1), y=(0, 1)), "2 coordinates"),
        (lambda: Rectangle(x=(0, 1)), "1 coordinates"),
        (lambda: Box(), "at least one coordinate"),
        (lambda: Box(x=(0, 1), periodic="y"), "periodic='y'"),
        (lambda: Box(**{"lambda": (0, 1)}), "keyword"),
        (lambda: Box(**{"2x": (0, 1)}), "can't name"),
        (lambda: Time(), "write Time"),
        (lambda: Disk(radius=0.0), "positive"),
        (lambda: Disk(x=np.nan), "not finite"),
        (lambda: Disk(a=0.0), "are not 2"),
        (lambda: Ellipse(radii=(1.0,)), "1 radii"),
        (lambda: Disk().contains([0.0, 0.0]), r"give \(n, 2\)"),
        (lambda: Disk().sample(4, "sobel"), "unknown sampling method"),
        (lambda: Disk().sample(0), "at least 1"),
    ],
)
def test_errors_name_the_value_and_the_repair(build, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_domains_are_immutable() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        Disk().time = "t"
