"""Planning: from requests, pools and limits to a plan with its proof. Pure: no I/O, no globals.

``plan(problem, options)`` is the way in; ``PlacementProblem.build`` makes the problem.
"""

from planner.errors import (
    InfeasibleError,
    InvalidProblemError,
    PlanningError,
    Relaxation,
    UndecidedError,
    UnplaceableError,
)
from planner.inputs import Limits, Objective, Placement, Pool, Requests, Share
from planner.planner import plan
from planner.problem import PlacementProblem
from planner.progress import Progress, Watch
from planner.result import (
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
