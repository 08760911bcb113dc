"""Each kind of domain for itself: boxes, time, sub-regions, combinations, polygons, clouds, meshes."""

import sys
from pathlib import Path

import jax.numpy as jnp
import meshio
import numpy as np
import pytest
import shapely
from shapes import HOLE, L_SHAPE, cube_mesh, square_mesh

from pinnact.domains import (
    Box,
    Combination,
    Disk,
    Domain,
    Interval,
    Mesh,
    PointCloud,
    Polygon,
    Rectangle,
    Time,
    read_mesh,
)


class TestBoxes:
    def test_names_bounds_and_text(self) -> None:
        domain = Interval(x=(-1, 1)) * Time(t=(0, 1))
        assert repr(domain) == "Interval(x=(-1, 1)) * Time(t=(0, 1))"
        assert domain.coordinates == ("x", "t") and domain.space == ("x",) and domain.time == "t"
        assert domain.bounds == domain.axes == {"x": (-1.0, 1.0), "t": (0.0, 1.0)}
        assert domain.boundary.names == ("x_min", "x_max")
        assert (Disk() * Time(t=(0, 1))).axes is None
        assert repr(Time(t=(0, 1)) * Rectangle(x=(0, 1), y=(0, 2))) == "Rectangle(x=(0, 1), y=(0, 2)) * Time(t=(0, 1))"

    def test_faces_by_name_and_alias(self) -> None:
        box = Box(x=(0, 1), y=(0, 1), z=(0, 1)) * Time(t=(0, 1))
        for alias, (axis, value) in {"left": (0, 0), "top": (1, 1), "y_min": (1, 0), "front": (2, 1)}.items():
            part = box.boundary[alias]
            assert np.all(part.sample(20).points[:, axis] == value) and part.measure == 1.0
        assert box.boundary["left", "x_min", "right"].measure == 2.0
        assert (box.boundary["left"] | box.boundary["left", "top"]).measure == 2.0
        assert box.boundary["right"].pieces[0].face == ("x", "upper")
        with pytest.raises(ValueError, match=r"no part 'lid'.*y_max = top"):
            box.boundary["lid"]

    def test_products_of_boxes(self) -> None:
        box = Interval(x=(0, 1), periodic=True) * Rectangle(y=(0, 2), z=(0, 3))
        assert box.measure == 6.0 and box.periodic == ("x",)
        assert box.boundary.names == ("y_min", "y_max", "z_min", "z_max")
        with pytest.raises(ValueError, match="both factors have the coordinate 'x'"):
            Interval(x=(0, 1)) * Interval(x=(0, 1))
        with pytest.raises(TypeError):
            Disk() * Interval(z=(0, 1))  # type: ignore[operator]

    def test_a_hundred_dimensions(self) -> None:
        box = Box(**{f"x{i}": (0.0, 1.0) for i in range(100)}) * Time(t=(0, 1))
        assert box.sample(64).shape == (64, 101) and len(box.pieces) == 200
        few, many = box.boundary.sample(50), box.boundary.sample(400)
        assert len(few.points) == 50 and box.contains(many.points).all()
        assert np.array_equal(np.abs(many.normals).sum(axis=0), np.full(100, 4.0))
        with pytest.raises(ValueError, match="too large"):
            box.grid(2)

    def test_periodic_axes_have_no_faces_and_no_second_end(self) -> None:
        ring = Interval(x=(0, 2), periodic=True) * Time(t=(0, 1))
        assert ring.periodic == ("x",) and ring.boundary.pieces == () and ring.boundary.measure == 0.0
        with pytest.raises(ValueError, match="nothing to sample"):
            ring.boundary.sample(3)
        grid = ring.grid({"x": 4, "t": 3}).reshape(4, 3, 2)
        assert np.allclose(grid[:, 0, 0], [0.0, 0.5, 1.0, 1.5]) and np.allclose(grid[0, :, 1], [0.0, 0.5, 1.0])
        channel = Rectangle(x=(0, 1), y=(0, 1), periodic="x")
        assert channel.boundary.names == ("y_min", "y_max") and "periodic=('x',)" in repr(channel)

    def test_grids_include_the_ends_and_stay_inside(self) -> None:
        assert np.allclose(Interval(x=(-1, 1)).grid(3), [[-1.0], [0.0], [1.0]])
        disk = Disk().grid(101)
        assert disk.shape[0] == pytest.approx(100**2 * np.pi / 4, rel=0.01)
        assert [1.0, 0.0] in disk.tolist()
        with pytest.raises(ValueError, match="2 or more"):
            Disk().grid({"x": 4})
        with pytest.raises(ValueError, match="no point of the grid"):
            Disk().grid(2)


class TestTime:
    def test_time_alone(self) -> None:
        domain = Time(t=(1, 3))
        assert domain.coordinates == ("t",) and domain.space == () and domain.measure == 2.0
        assert np.array_equal(domain.initial.sample(2).points, [[1.0], [1.0]])
        assert np.array_equal(domain.final.sample(1).points, [[3.0]])
        with pytest.raises(ValueError, match=r"time only: use \.initial"):
            domain.boundary.sample(3)

    @pytest.mark.parametrize("space", [Interval(x=(0, 1)), Disk(), Polygon(L_SHAPE)], ids=repr)
    def test_first_and_last_instants(self, space: Domain) -> None:
        domain = space * Time(t=(1, 3))
        for region, instant, end in ((domain.initial, 1.0, "lower"), (domain.final, 3.0, "upper")):
            points, normals = region.sample(50)
            assert normals is None and np.all(points[:, -1] == instant)
            assert space.contains(points[:, :-1]).all()
            assert region.pieces[0].face == ("t", end) and region.kind == region.name

    def test_space_time_points_are_drawn_jointly(self) -> None:
        points = (Interval(x=(0, 1)) * Time(t=(0, 1))).sample(256)
        cells = np.floor(16 * points).astype(int)
        assert len({tuple(cell) for cell in cells}) == 256  # one Sobol point in each of 16 x 16 cells

    def test_no_time_no_instants(self) -> None:
        for domain in (Disk(), Polygon(L_SHAPE)):
            with pytest.raises(ValueError, match="multiply it by Time"):
                _ = domain.initial
        with pytest.raises(ValueError, match="called 't'"):
            Interval(t=(0, 1)) * Time(t=(0, 1))


class TestSubregions:
    def test_predicates_pick_coordinates_by_name(self) -> None:
        domain = Rectangle(x=(-1, 1), y=(0, 1)) * Time(t=(0, 2))
        part = domain.boundary.where(lambda x: x < 0.0)
        assert part.measure == pytest.approx(2.0 * 3.0, rel=1e-3) and part.sample(99).points[:, 0].max() < 0.0
        assert {piece.name for piece in part.pieces} == {"x_min", "y_min", "y_max"}
        kept = {piece.name: piece.distance is not None for piece in part.pieces}
        assert kept == {"x_min": True, "y_min": False, "y_max": False}
        triangle = domain.interior.where(lambda y, x, shift=0.0: x < y + shift)
        assert triangle.measure == pytest.approx(3.0, rel=2e-3) and triangle.kind == "interior"
        points = triangle.sample(500).points
        assert len(points) == 500 and np.all(points[:, 0] < points[:, 1])
        assert domain.initial.where(lambda x, y: jnp.hypot(x, y) < 0.5).measure == pytest.approx(np.pi / 8, rel=5e-3)

    @pytest.mark.parametrize(
        ("predicate", "message"),
        [
            (lambda x: x > 2.0, "is empty"),
            (lambda z: z > 2.0, "asks for z"),
            (lambda x: x, "return one bool"),
            (lambda x, y: (x < y)[:, None], "return one bool"),
        ],
    )
    def test_refusals(self, predicate, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            Rectangle(x=(0, 1), y=(0, 1)).boundary.where(predicate)

    def test_unions_stay_in_one_domain_and_kind(self) -> None:
        domain = Interval(x=(0, 1)) * Time(t=(0, 1))
        for other in (domain.initial, Interval(x=(0, 1)).boundary):
            with pytest.raises(ValueError, match="don't unite"):
                _ = domain.boundary | other

    def test_points_are_shared_by_measure(self) -> None:
        box = Rectangle(x=(0, 8), y=(0, 1))
        counts = [len(box.boundary.where(lambda x, s=s: (x == 0) == s).sample(90).points) for s in (True, False)]
        assert counts == [90, 90]
        left = np.array([(box.boundary.sample(90, seed=seed).points[:, 0] == 0.0).sum() for seed in range(20)])
        assert set(left) <= {5, 6} or np.all(left == 5)
        tiny = Rectangle(x=(0, 1e4), y=(0, 1)).boundary
        assert len({tuple(row) for row in tiny.sample(8).normals.tolist()}) == 4

    def test_given_points(self) -> None:
        domain = Rectangle(x=(0, 1), y=(0, 1)) * Time(t=(0, 1))
        region = domain.at(x=0.0, y=0.0, t=np.linspace(0.0, 1.0, 5))
        assert region.kind == "points" and region.measure == 5.0 and region.pieces == ()
        assert sorted(region.sample(100).points[:, 2]) == [0.0, 0.25, 0.5, 0.75, 1.0]
        assert len(region.sample(2).points) == 2
        with pytest.raises(ValueError, match="lies outside"):
            domain.at(x=2.0, y=0.0, t=0.0)
        with pytest.raises(ValueError, match="give each of x, y, t"):
            domain.at(x=0.0)


class TestCombinations:
    def test_rectangle_minus_disk(self) -> None:
        domain = Rectangle(x=(-1, 1), y=(-1, 1)) - Disk(radius=0.5)
        assert domain.boundary.names == ("x_min", "x_max", "y_min", "y_max", "rim")
        points, normals = domain.boundary["rim"].sample(100)
        assert np.allclose(normals, -points / 0.5)
        assert not domain.contains([[0.0, 0.0]])[0] and domain.contains([[1.0, 1.0]])[0]
        assert all(piece.distance is not None for piece in domain.pieces)
        # A second hole gets its own name.
        assert (domain - Disk(x=0.8, y=0.8, radius=0.1)).boundary.names[-2:] == ("rim", "rim_2")

    def test_cut_pieces_lose_their_distance(self) -> None:
        domain = Rectangle(x=(0, 1), y=(0, 1)) - Disk(x=1.0, y=1.0, radius=0.5)
        smooth = {piece.name for piece in domain.pieces if piece.distance is not None}
        assert smooth == {"x_min", "y_min"}
        assert domain.boundary["top"].measure == pytest.approx(0.5, rel=1e-3)

    def test_common_faces_count_once(self) -> None:
        domain = Rectangle(x=(0, 1), y=(0, 1)) | Rectangle(x=(1, 2), y=(0, 1))
        assert domain.boundary.measure == pytest.approx(6.0, rel=1e-3) and domain.measure == pytest.approx(2.0)
        overlap = Rectangle(x=(0, 2), y=(0, 1)) | Rectangle(x=(1, 3), y=(0, 1))
        assert overlap.boundary.measure == pytest.approx(8.0, rel=1e-3)

    def test_logic(self) -> None:
        a, b = Disk(), Rectangle(x=(0, 2), y=(-1, 1))
        points = np.random.default_rng(0).uniform(-2.0, 2.0, (2000, 2))
        in_a, in_b = a.contains(points), b.contains(points)
        assert np.array_equal((a | b).contains(points), in_a | in_b)
        assert np.array_equal((a & b).contains(points), in_a & in_b)
        assert np.array_equal((a - b).contains(points), in_a & ~in_b)
        assert isinstance(a - b, Combination) and repr(a - b).startswith("(Disk(")

    @pytest.mark.parametrize(
        ("build", "message"),
        [
            (lambda: Disk() & Disk(x=5.0), "don't overlap"),
            (lambda: Disk() & Disk(x=1.9, y=1.9), "is empty"),
            (lambda: Disk() - Disk(radius=2.0), "is empty"),
            (lambda: Disk() - Disk(a=0.0, b=0.0), "different coordinates"),
            (lambda: Rectangle(x=(0, 1), y=(0, 1), periodic=True) | Disk(), "periodic"),
        ],
    )
    def test_refusals(self, build, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            build()


class TestPolygons:
    def test_edges_by_number_and_by_name(self) -> None:
        domain = Polygon(L_SHAPE, holes=[HOLE])
        assert domain.boundary.names == tuple(f"edge{i}" for i in range(9))
        assert np.all(domain.boundary["edge0"].sample(10).points[:, 1] == 0.0)
        named = Polygon(L_SHAPE, edges=("floor", "wall", "wall", "wall", "wall", "inlet"))
        assert named.boundary.names == ("floor", "wall", "inlet") and named.boundary["wall"].measure == 4.0
        assert np.all(named.boundary["inlet"].sample(5).normals == [-1.0, 0.0])

    def test_an_old_shapely_samples_by_rejection(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(shapely, "constrained_delaunay_triangles", raising=False)
        domain = Polygon(L_SHAPE, holes=[HOLE])
        points = domain.sample(4096)
        assert domain.contains(points).all()
        assert points.mean(axis=0) == pytest.approx(Polygon(L_SHAPE, holes=[HOLE]).shape.centroid.coords[0], abs=5e-3)

    def test_missing_packages_are_named(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for package in ("shapely", "meshio"):
            monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ImportError, match=r"pip install 'pinnact\[geometry\]'"):
            Polygon(L_SHAPE)
        with pytest.raises(ImportError, match=r"pip install 'pinnact\[geometry\]'"):
            read_mesh(tmp_path / "any.msh")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (([(0, 0), (1, 1), (1, 0), (0, 1)],), "no polygon"),
            (([(0, 0), (1, 1)],), "three or more"),
            (([(0, 0), (1, np.nan), (1, 0)],), "finite"),
            ((L_SHAPE, ("x", "y"), (), ("floor",)), "1 edges"),
            ((L_SHAPE, ("x", "x")), "called 'x'"),
        ],
    )
    def test_refusals(self, arguments: tuple, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            Polygon(*arguments)


class TestClouds:
    points = np.random.default_rng(0).random((50, 2))
    cloud = PointCloud(
        points, boundary={"wall": ([[0.0, 0.5], [0.0, 0.6]], [[-2.0, 0.0], [-1.0, 0.0]]), "rest": [[1, 1]]}
    )

    def test_rows_are_drawn_once_each(self) -> None:
        assert self.cloud.measure == 50.0
        drawn = self.cloud.sample(50, seed=1)
        assert np.array_equal(np.sort(drawn, axis=0), np.sort(self.points, axis=0)) and not np.array_equal(
            drawn, self.points
        )
        assert np.array_equal(self.cloud.boundary["wall"].sample(2).normals, [[-1.0, 0.0]] * 2)
        assert len(self.cloud.boundary.sample(3).points) == 3 and self.cloud.boundary.sample(3).normals is None
        with pytest.raises(ValueError, match="only 50 are given"):
            self.cloud.sample(51)
        assert self.cloud.interior.where(lambda x: x < 0.5).measure == (self.points[:, 0] < 0.5).sum()
        assert self.cloud.contains(self.points).all() and not self.cloud.contains(self.points + 0.01).all()

    def test_clouds_in_time(self) -> None:
        domain = self.cloud * Time(t=(0, 2))
        assert domain.contains(domain.sample(500)).all() and len(domain.initial.sample(50).points) == 50
        assert np.unique(domain.sample(500)[:, 0]).size == 50

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (([[0.0, 0.0], [1.0, 1.0]], ("x",)), r"give \(n, 1\)"),
            (([[0.0], [np.inf]], ("x",)), "remove row 1"),
            (([[0.0], [1.0]], ("x",), {"end": ([[1.0]], [[0.0]])}), "positive length"),
        ],
    )
    def test_refusals(self, arguments: tuple, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            PointCloud(*arguments)


class TestMeshes:
    def write(self, path: Path, name: str, **extra: object) -> Path:
        nodes, cells = square_mesh()
        left = np.flatnonzero(nodes[:, 0] == 0.0)
        lines = np.stack([left[:-1], left[1:]], axis=1)
        mesh = meshio.Mesh(np.pad(nodes, ((0, 0), (0, 1))), [("line", lines), ("triangle", cells)], **extra)
        mesh.write(path / name, **({"file_format": "gmsh22", "binary": False} if name.endswith("msh") else {}))
        return path / name

    def test_physical_groups_name_the_boundary(self, tmp_path: Path) -> None:
        tags = [np.full(6, 7), np.full(len(square_mesh()[1]), 9)]
        path = self.write(
            tmp_path,
            "square.msh",
            cell_data={"gmsh:physical": tags, "gmsh:geometrical": tags},
            field_data={"inlet": np.array([7, 1]), "fluid": np.array([9, 2])},
        )
        domain = read_mesh(path)
        assert domain.boundary.names == ("inlet", "boundary") and domain.measure == pytest.approx(0.75)
        points, normals = domain.boundary["inlet"].sample(20)
        assert np.all(points[:, 0] == 0.0) and np.all(normals == [-1.0, 0.0])
        assert domain.boundary["inlet"].measure == pytest.approx(1.0)
        assert domain.boundary["boundary"].measure == pytest.approx(3.0)

    def test_plain_files_have_one_boundary(self, tmp_path: Path) -> None:
        domain = read_mesh(self.write(tmp_path, "square.vtu"), coordinates=("r", "s"))
        assert domain.boundary.names == ("boundary",) and domain.coordinates == ("r", "s")
        points = np.random.default_rng(0).uniform(-0.5, 1.5, (3000, 2))
        inside = np.all((points >= 0.0) & (points <= 1.0), axis=1) & np.any(points <= 0.5, axis=1)
        assert np.array_equal(domain.contains(points), inside)

    def test_cell_sets_name_the_boundary(self, tmp_path: Path) -> None:
        nodes, cells = cube_mesh()
        floor = np.array([list(set(cell) & set(np.flatnonzero(nodes[:, 2] == 0.0))) for cell in cells.tolist()], object)
        facets = np.array([face for face in floor if len(face) == 3], int)
        mesh = meshio.Mesh(nodes, [("tetra", cells), ("triangle", facets)], cell_sets={"floor": [[], np.arange(8)]})
        path = tmp_path / "cube.inp"
        mesh.write(path)
        domain = read_mesh(path)
        assert domain.dimension == 3 and domain.boundary["floor"].measure == pytest.approx(1.0)
        assert np.allclose(domain.boundary["floor"].sample(10).normals, [0.0, 0.0, -1.0])

    def test_refusals(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="no mesh file"):
            read_mesh(tmp_path / "none.msh")
        (tmp_path / "bad.msh").write_text("nonsense")
        with pytest.raises(ValueError, match="can't read"):
            read_mesh(tmp_path / "bad.msh")
        meshio.Mesh(np.eye(3), [("line", [[0, 1]])]).write(tmp_path / "line.vtk")
        with pytest.raises(ValueError, match="no triangles"):
            read_mesh(tmp_path / "line.vtk")
        with pytest.raises(ValueError, match="no volume"):
            Mesh([[0, 0], [1, 0], [2, 0], [0, 1]], [[0, 1, 2], [0, 1, 3]])
        with pytest.raises(ValueError, match="don't fit"):
            Mesh([[0, 0], [1, 0], [0, 1]], [[0, 1]])
