"""What a plan is compared with: never something that is feasible and better than the plan."""

import numpy as np
import pytest

from planner.bounds.formulation import Formulation
from planner.inputs import Limits, Objective
from planner.search.baselines import baselines, judged_policies
from planner.search.incumbent import Incumbent
from tests.planner.instances import three_llms, workload


@pytest.mark.parametrize("zeta", [1.0, 0.5])
def test_a_baseline_that_is_better_than_the_plan_becomes_the_plan(zeta: float) -> None:
    problem = three_llms(
        workload(30), limits=Limits(min_mean_quality=0.55), objective=Objective(zeta)
    )
    dearest = problem.costs.energy_j.argmax(axis=1).astype(np.int64)
    incumbent = Incumbent(problem)
    incumbent.offer_placement(dearest)
    poor = incumbent.evaluation
    assert poor is not None
    relaxation = Formulation(problem).build()
    judged = dict(judged_policies(problem, {"dearest": dearest}, relaxation, 0, incumbent))
    plan = incumbent.evaluation
    assert plan is not None
    found = baselines(problem, plan, judged)
    assert plan.objective < poor.objective
    by_name = {baseline.name: baseline for baseline in found}
    assert by_name["dearest"].saving_ratio == pytest.approx(1.0 - plan.energy_j / poor.energy_j)
    if zeta == 1.0:
        assert all((b.cost_saving_ratio or 0.0) >= 0.0 for b in found if b.feasible)
