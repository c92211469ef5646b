"""Planning: from requests, pools and limits to a plan with its proof. Pure: no I/O, no globals.

``plan(problem, options)`` is the way in; ``PlacementProblem.build`` makes the problem.
"""

from service.planning.errors import (
    InfeasibleError,
    InvalidProblemError,
    PlanningError,
    Relaxation,
    UndecidedError,
    UnplaceableError,
)
from service.planning.inputs import Limits, Objective, Placement, Pool, Requests, Share
from service.planning.planner import plan
from service.planning.problem import PlacementProblem
from service.planning.progress import Progress, Watch
from service.planning.result import (
    Baseline,
    EnergyBreakdown,
    PlacementUsage,
    Plan,
    PlanWarning,
    ShadowPrice,
    SolverOptions,
)

__all__ = [
    "Baseline",
    "EnergyBreakdown",
    "InfeasibleError",
    "InvalidProblemError",
    "Limits",
    "Objective",
    "Placement",
    "PlacementProblem",
    "PlacementUsage",
    "Plan",
    "PlanWarning",
    "PlanningError",
    "Pool",
    "Progress",
    "Relaxation",
    "Requests",
    "ShadowPrice",
    "Share",
    "SolverOptions",
    "UndecidedError",
    "UnplaceableError",
    "Watch",
    "plan",
]
