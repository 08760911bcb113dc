"""The lid-driven cavity: a moving lid keeps the fluid in a closed box turning."""

import pinnact as pn


def cavity(reynolds: float = 100.0) -> pn.Problem:
    """Steady, incompressible Navier-Stokes flow in (0, 1)^2 for the velocity (u, v) and the pressure p:

    (u, v) . grad (u, v) + grad p = Lap (u, v) / reynolds, u_x + v_y = 0.

    The lid (top) moves with (u, v) = (1, 0), the other walls stand still; p = 0 in the corner (0, 0). The velocity
    jumps where the lid meets the side walls.
    No reference: compare with the tables along both centre lines in Ghia, Ghia and Shin 1982,
    doi:10.1016/0021-9991(82)90058-4 (Reynolds numbers 100, 400, 1000, 3200 and more).
    """
    domain = pn.Box(x=(0, 1), y=(0, 1))
    return pn.Problem(
        domain,
        unknowns=("u", "v", "p"),
        coefficients={"reynolds": reynolds},
        equations={
            "momentum_x": lambda u, v, p, reynolds: u * u.x + v * u.y + p.x - u.laplacian / reynolds,
            "momentum_y": lambda u, v, p, reynolds: u * v.x + v * v.y + p.y - v.laplacian / reynolds,
            "continuity": lambda u, v: u.x + v.y,
        },
        conditions={
            "walls": pn.On(domain.boundary["left", "right", "bottom"], lambda u, v: (u, v)),
            "lid_v": pn.On(domain.boundary["top"], lambda v: v),
            "lid": pn.On(domain.boundary["top"], lambda u: u - 1),
            "corner": pn.On(domain.at(x=0.0, y=0.0), lambda p: p),
        },
        name="cavity",
    )
