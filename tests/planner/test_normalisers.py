"""Normalisers of any size: the same plan, the objective and its proof in the units asked for."""

import pytest

from planner.inputs import Limits, Objective
from planner.planning import plan
from planner.progress import Progress
from planner.result import SolverOptions
from tests.planner.instances import three_llms, workload

EXACT = SolverOptions(time_limit_s=30.0, relative_gap=0.0)


@pytest.mark.parametrize("size", [1e-12, 1e-3, 1e3, 1e12])
@pytest.mark.parametrize("zeta", [1.0, 0.4])
def test_normalisers_of_any_size_give_the_same_plan_and_proof(size: float, zeta: float) -> None:
    limits = Limits(deadline_s=60.0, min_mean_quality=0.55)
    plain = three_llms(workload(5), resident=False, limits=limits, objective=Objective(zeta))
    given = Objective(zeta, plain.cost_normaliser * size, plain.quality_normaliser * size)
    wanted = plan(plain, EXACT)
    looks: list[Progress] = []
    found = plan(
        three_llms(workload(5), resident=False, limits=limits, objective=given),
        EXACT,
        looks.append,
    )
    assert found.objective == pytest.approx(wanted.objective / size)
    assert found.lower_bound == pytest.approx(wanted.lower_bound / size)
    assert found.gap == pytest.approx(wanted.gap, abs=1e-9)
    assert found.energy.value_j == pytest.approx(wanted.energy.value_j)
    assert found.cost_normaliser == given.cost_normaliser
    assert found.quality_normaliser == given.quality_normaliser
    assert looks[-1].incumbent == found.objective
    priced = {price.constraint: price for price in found.shadow_prices}
    for price in wanted.shadow_prices:
        assert priced[price.constraint].objective == pytest.approx(price.objective / size)
        assert priced[price.constraint].energy_j == pytest.approx(price.energy_j)
