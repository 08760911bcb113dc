"""Classical solvers at a series of resolutions. Run in the peers' environment, a process for each resolution.

Poisson, Helmholtz and Navier-Cauchy: scikit-fem on triangles, elements P2 and P4. Burgers: the Fourier method, and
SciPy's `solve_ivp` (DOP853) in time; the solution is odd about both walls, hence periodic on [-1, 1], and smooth.
"""

import time
from math import pi

import numpy as np
from curve import Curve, options
from scipy.integrate import solve_ivp
from skfem import (
    Basis,
    BilinearForm,
    ElementTriP2,
    ElementTriP4,
    ElementVector,
    FacetBasis,
    LinearForm,
    MeshTri,
    condense,
    solve,
)
from skfem.helpers import ddot, dot, grad, sym_grad, trace

ELEMENTS = {"P2": ElementTriP2, "P4": ElementTriP4}
BLOCK = 4096  # points that are found in the mesh at once


def square(cells: int, lower: float) -> MeshTri:
    """Triangles on [lower, 1]^2, `cells` a side."""
    nodes = np.linspace(lower, 1, cells + 1)
    return MeshTri.init_tensor(nodes, nodes).with_defaults()


def at_points(basis: Basis, solution: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The values (n, m) of a finite element function."""
    blocks = [points[i : i + BLOCK] for i in range(0, len(points), BLOCK)]
    return np.concatenate([np.reshape(basis.probes(part.T) @ solution, (-1, len(part))).T for part in blocks])


def scalar(element: str, cells: int, lower: float, shift: float, source):
    """-Lap u - shift u = source(x, y) with u = 0 on the boundary."""

    @BilinearForm
    def stiffness(u, v, _):
        return dot(grad(u), grad(v)) - shift * u * v

    @LinearForm
    def load(v, w):
        return source(*w.x) * v

    basis = Basis(square(cells, lower), ELEMENTS[element](), intorder=2 * int(element[1]) + 2)
    solution = solve(*condense(stiffness.assemble(basis), load.assemble(basis), D=basis.get_dofs()))
    return lambda points: at_points(basis, solution, points)


def poisson(element: str, cells: int, points: np.ndarray):
    """-Lap u = 2 pi^2 sin(pi x) sin(pi y) on the unit square."""
    return scalar(element, cells, 0, 0, lambda x, y: 2 * pi**2 * np.sin(pi * x) * np.sin(pi * y))


def helmholtz(element: str, cells: int, points: np.ndarray):
    """-Lap u - u = (17 pi^2 - 1) sin(pi x) sin(4 pi y) on [-1, 1]^2."""
    return scalar(element, cells, -1, 1, lambda x, y: (17 * pi**2 - 1) * np.sin(pi * x) * np.sin(4 * pi * y))


def navier_cauchy(
    element: str, cells: int, points: np.ndarray, lame: float = 1.0, shear: float = 0.5, pull: float = 4.0
):
    """Linear elasticity on the unit square in weak form; sigma_xx = 0 at the sides is natural, so is the pull."""

    @BilinearForm
    def stiffness(u, v, _):
        return lame * trace(sym_grad(u)) * trace(sym_grad(v)) + 2 * shear * ddot(sym_grad(u), sym_grad(v))

    @LinearForm
    def weight(v, w):
        x, y = w.x
        exact_u, exact_v = np.cos(2 * pi * x) * np.sin(pi * y), pull * np.sin(pi * x) * y**4 / 4
        v_xy, v_yy = pi * pull * np.cos(pi * x) * y**3, 3 * pull * np.sin(pi * x) * y**2
        u_xy = -2 * pi**2 * np.sin(2 * pi * x) * np.cos(pi * y)
        force_x = (4 * lame + 9 * shear) * pi**2 * exact_u - (lame + shear) * v_xy
        force_y = shear * pi**2 * exact_v - (lame + 2 * shear) * v_yy - (lame + shear) * u_xy
        return force_x * v[0] + force_y * v[1]

    @LinearForm
    def traction(v, w):
        return (lame + 2 * shear) * pull * np.sin(pi * w.x[0]) * v[1]

    order = 2 * int(element[1]) + 2
    mesh = square(cells, 0)
    basis = Basis(mesh, ElementVector(ELEMENTS[element]()), intorder=order)
    top = FacetBasis(mesh, basis.elem, facets="top", intorder=order)
    held = np.concatenate([
        basis.get_dofs("bottom").all(),
        basis.get_dofs("top").all(["u^1"]),
        basis.get_dofs(["left", "right"]).all(["u^2"]),
    ])  # fmt: skip
    force = weight.assemble(basis) + traction.assemble(top)
    solution = solve(*condense(stiffness.assemble(basis), force, D=np.unique(held)))
    return lambda points: at_points(basis, solution, points)


def burgers(tolerance: str, waves: int, points: np.ndarray, viscosity: float = 0.01 / pi):
    """u = sum_k a_k sin(k pi x), k < waves, and u^2 / 2 = sum_k f_k cos(k pi x): a_k' = k pi f_k - nu (k pi)^2 a_k."""
    wave_numbers = pi * np.arange(waves)
    grid = 4 * waves  # more than 3 waves: products of two sums of waves are exact

    def rate(_: float, a: np.ndarray) -> np.ndarray:
        # u on the grid, from u_hat_k = -i a_k / 2; the flux u^2 / 2 is even: its coefficients are real.
        u = np.fft.irfft(-0.5j * a, grid, norm="forward")
        flux = np.fft.rfft(u**2 / 2, norm="forward").real[:waves]
        return 2 * wave_numbers * flux - viscosity * wave_numbers**2 * a

    start = np.zeros(waves)
    start[1] = -1
    times, at = np.unique(points[:, 1], return_inverse=True)
    error = float(tolerance)
    found = solve_ivp(rate, (0, 1), start, method="DOP853", t_eval=times, rtol=error, atol=error)

    def predict(points: np.ndarray) -> np.ndarray:
        places, where = np.unique(points[:, 0], return_inverse=True)
        return (np.sin(np.outer(places, wave_numbers)) @ found.y)[where, at]

    return predict


SOLVERS = {"poisson": poisson, "burgers": burgers, "helmholtz": helmholtz, "navier_cauchy": navier_cauchy}


def main() -> None:
    """One solution; `--method P4:32` is an element and cells a side, `--method 1e-8:512` a tolerance and waves."""
    chosen = options("method")
    curve = Curve(chosen.points, chosen.started, chosen.budget)
    kind, resolution = chosen.method.split(":")
    began = time.time()
    predict = SOLVERS[chosen.problem](kind, int(resolution), curve.points)
    took = time.time() - began
    curve.look(predict)
    curve.write(chosen.out, recipe=chosen.method, solving=took)


if __name__ == "__main__":
    main()
