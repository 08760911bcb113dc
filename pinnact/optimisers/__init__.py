"""Optimisers: one method a file, one protocol (`init`, `refresh`, `step`)."""

from pinnact.optimisers.base import AbstractOptimiser as AbstractOptimiser
from pinnact.optimisers.base import Objective as Objective
from pinnact.optimisers.base import Step as Step
from pinnact.optimisers.base import squares as squares
from pinnact.optimisers.broyden import SelfScaledBroyden as SelfScaledBroyden
from pinnact.optimisers.conjugate_gradients import GaussNewtonCG as GaussNewtonCG
from pinnact.optimisers.first_order import Optax as Optax
from pinnact.optimisers.first_order import adam as adam
from pinnact.optimisers.gauss_newton import LevenbergMarquardt as LevenbergMarquardt
from pinnact.optimisers.lbfgs import LBFGS as LBFGS
from pinnact.optimisers.stages import NAMED as NAMED
from pinnact.optimisers.stages import Stage as Stage
from pinnact.optimisers.stages import automatic as automatic
from pinnact.optimisers.stages import described as described
from pinnact.optimisers.stages import stages as stages
