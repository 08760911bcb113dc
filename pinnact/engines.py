"""The engine of a run by name or object, and whether problem and optimiser can be trained with it."""

from collections.abc import Sequence
from dataclasses import dataclass

from pinnact.operators import ENGINES, FEW, SUM, Engine, automatic
from pinnact.optimisers import AbstractOptimiser, Stage, stages
from pinnact.problem import Problem


@dataclass(frozen=True)
class Stochastic:
    """The Laplacian of d coordinates from `directions` random ones, drawn anew at each point in each step.

    `d/k sum over k axes, drawn without replacement, of d2u/dx_i^2`: unbiased, and the Laplacian itself for k = d
    (Shi et al. 2024, arXiv 2412.00088). The loss is the mean of the products of two independent residuals, unbiased
    where equations are affine in the Laplacian; first-order optimisers only, since it differs from step to step.
    """

    directions: int = 16

    def __post_init__(self) -> None:
        if not isinstance(self.directions, int) or self.directions < 1:
            raise ValueError(f"Stochastic({self.directions!r}): give a whole number of directions, 1 or more")

    def __str__(self) -> str:
        return f"stochastic:{self.directions}"


def chosen(engine: str | Stochastic) -> tuple[Engine, int | None, str]:
    """An `engine` argument as the exact engine, the number of random directions (None of an exact one), and its name.

    Names are those of `ENGINES` and, as the command line has it, `stochastic:16`.
    """
    if isinstance(engine, str) and engine.startswith("stochastic"):
        _, _, number = engine.partition(":")
        if not number.isdecimal():
            raise ValueError(f"engine {engine!r}: give the number of directions, as in stochastic:16")
        engine = Stochastic(int(number))
    if isinstance(engine, Stochastic):
        return automatic, engine.directions, str(engine)
    if engine not in ENGINES:
        raise ValueError(f"engine {engine!r} is unknown; choose one of {', '.join(ENGINES)}, stochastic:16")
    return ENGINES[engine], None, engine


def fitting_optimiser(
    optimiser: str | AbstractOptimiser | Sequence[Stage], problem: Problem, name: str, directions: int, looked_at: bool
) -> str | AbstractOptimiser | Sequence[Stage]:
    """The optimiser to take with a stochastic engine: the same, `adam` for `auto`; ValueError where none can help.

    `looked_at` says that tolerance or patience look at the loss of single steps.
    """
    plans = [plan for r in problem.residuals_by_name.values() for u, plan in r.record.plan.items()]
    size = max((len(index) - 1 for plan in plans for index in plan if index[:1] == (SUM,)), default=0)
    if size <= FEW:
        raise ValueError(f"engine {name}: no equation takes a laplacian along more than {FEW} axes; use engine='auto'")
    if directions > size:
        raise ValueError(f"engine {name}: the laplacian has {size} directions; give {size} at most, or engine='auto'")
    if looked_at:
        raise ValueError(f"engine {name}: the loss of a step is a random estimate; leave out tolerance and patience")
    if optimiser == "auto":
        return "adam"
    for stage in stages(optimiser, 0, "float64", None):
        if stage.optimiser.second_order:
            raise ValueError(
                f"engine {name} draws another loss every step, and {stage.optimiser.name} needs the same one: "
                "use optimiser='adam'"
            )
    return optimiser
