"""Rows differ by what they limit, however alike deadlines, pools and LLMs are written."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from costmodel.workload import Workload
from planner.bounds.bounding import bound
from planner.bounds.formulation import Formulation
from planner.inputs import Limits, Placement, Pool, Share
from planner.planning import plan
from planner.problem import PlacementProblem
from planner.quantities import PoolSeconds, SecondsBefore
from planner.result import SolverOptions
from planner.schedule.dispatch import dispatch
from planner.search.capacity_reserve import CapacityReserve, with_reserve
from planner.search.incumbent import Incumbent
from planner.sensitivity.alternatives import alternatives
from planner.sensitivity.prices import shadow_prices
from planner.time_budget import TimeBudget
from tests.planner.bounds import lower_bound
from tests.planner.instances import cost_model, requests, three_llms, workload
from tests.planner.mixed_instances import MIDDLE, mixed_problem

EARLY, LATE, LAST = 100_000.1, 100_000.4, 1e6
ALIKE = [(EARLY, LATE), (60.0, 60.000006)]
QUICK = SolverOptions(20.0)


def writers_and_readers(early: float, late: float) -> PlacementProblem:
    """Answers are cheap on pool a and prompts on pool b, so that only writers, due early, fill a.

    Every third request is a reader, due late; the first one is due last.
    """
    n = 60
    writer = np.arange(n) % 3 != 0
    size = np.random.default_rng(0).integers(1000, 2000, n)
    load = Workload(np.where(writer, 20, 4 * size), np.where(writer, size, 20))
    slow = cost_model("one", speed=200.0 / early)
    per_output = {"a": (0.5, 1.0, 1e-7, 0.02, 4.0), "b": (0.5, 0.01, 1e-7, 0.02, 9.0)}
    names = frozenset({"one"})
    pools = [Pool(name, slow.device, 2, 100.0, resident=names) for name in per_output]
    placements = [
        Placement("one", index, 1, replace(slow, energy_coefficients=(*energy, 0.3, 1e-6)), 0.5)
        for index, energy in enumerate(per_output.values())
    ]
    due = np.where(writer, early, late)
    due[0] = 10.0 * late
    return PlacementProblem.build(requests(load, due), pools, placements)


@pytest.mark.parametrize(("early", "late"), ALIKE)
def test_two_deadlines_that_print_alike_keep_their_own_prices(early: float, late: float) -> None:
    problem = writers_and_readers(early, late)
    found = plan(problem, QUICK)
    assert f"{early:g}" == f"{late:g}"
    ((row, price),) = found.row_prices.items()
    assert row == SecondsBefore(0, early)
    # The oracle: what a second more of that deadline alone is worth, of two devices.
    own = problem.requests.deadline_s
    moved = 1e-3 * early
    later = replace(problem.requests, deadline_s=np.where(own == early, early + moved, own))
    both = np.where(own < 10.0 * late, own + moved, own)
    gain = lower_bound(problem) - lower_bound(
        replace(problem, requests=replace(later, deadline_s=both))
    )
    assert price == pytest.approx(gain / (2.0 * moved), rel=0.1)


@pytest.mark.parametrize(("early", "late"), ALIKE)
def test_a_reason_names_the_deadline_that_binds_and_not_one_that_prints_alike(
    early: float, late: float
) -> None:
    problem = writers_and_readers(early, late)
    found = plan(problem, QUICK)
    others = alternatives(problem, found)
    writer = problem.requests.deadline_s == early
    on_b = found.placement == 1
    codes = {"writers": others.stopped_by[writer & on_b], "readers": others.stopped_by[~writer]}
    reasons = {who: {others.reasons[code] for code in of.ravel()} for who, of in codes.items()}
    assert reasons == {"writers": {("pools/a/device_seconds",)}, "readers": {("cost",)}}


def test_a_deadline_just_after_a_pool_has_ended_is_distinguished_from_one_just_before() -> None:
    problem = writers_and_readers(EARLY, LATE)
    relaxation = Formulation(problem).build()
    solved = bound(relaxation, problem.requests.workload, TimeBudget(60.0))
    assert solved is not None
    one_row = [float(row.limits == SecondsBefore(0, EARLY)) for row in relaxation.rows]
    priced = replace(solved, multipliers=np.array(one_row))
    for end_s, name in (
        (EARLY - 0.05, "pools/a/available_seconds"),
        (EARLY + 0.05, "requests/deadline_seconds"),
    ):
        pools = (replace(problem.pools[0], available_s=end_s), problem.pools[1])
        prices = shadow_prices(replace(problem, pools=pools), relaxation, priced)
        above = {p.constraint for p in prices if p.objective > 0.0}
        assert above == {"pools/a/device_seconds", name}


def test_many_deadlines_whose_rows_were_added_later_are_named_as_reasons_too() -> None:
    """Twelve of many deadlines have rows at first; that of the writers is not among them."""
    problem = writers_and_readers(EARLY, LATE)
    own = problem.requests.deadline_s.copy()
    readers = np.flatnonzero(own != EARLY)
    own[readers[1:]] = np.linspace(EARLY - 20_000.0, EARLY + 1.0, len(readers) - 1)
    problem = replace(problem, requests=replace(problem.requests, deadline_s=own))
    found = plan(problem, QUICK)
    priced = {row.due_s for row in found.row_prices if isinstance(row, SecondsBefore)}
    assert not priced & set(Formulation(problem).deadlines.tolist())
    others = alternatives(problem, found)
    writers = others.stopped_by[(own == EARLY) & (found.placement == 1)]
    reasons = {others.reasons[code] for code in writers.ravel()}
    assert reasons == {("pools/a/device_seconds",)}


def test_capacity_is_reserved_before_the_deadline_that_was_missed_alone() -> None:
    problem = writers_and_readers(EARLY, LATE)
    relaxation = Formulation(problem).build()
    # Everything on pool a: writers are late there, and no reader is by more than they are.
    schedule = dispatch(problem, np.where(problem.requests.deadline_s == EARLY, 0, 1))
    late = schedule.end_s > problem.requests.deadline_s
    assert late.any()
    assert (problem.requests.deadline_s[late] == EARLY).all()
    capacity_reserve = CapacityReserve(problem, Incumbent(problem), TimeBudget(60.0), 0, 1e-3)
    shares, kept = capacity_reserve.time_reserve(relaxation, np.ones(2), schedule, 1e-4)
    assert (shares == 1.0).all()
    tightened = with_reserve(relaxation, shares, kept)
    less = {
        row.limits: row.bound - other.bound
        for row, other in zip(relaxation.rows, tightened.rows, strict=True)
        if other.bound < row.bound
    }
    worst = float((schedule.end_s / EARLY - 1.0)[late].max())
    bounds = {row.limits: row.bound for row in relaxation.rows}
    assert less == {
        SecondsBefore(pool, EARLY): pytest.approx(1.1 * worst * bounds[SecondsBefore(pool, EARLY)])
        for pool in range(2)
    }


LOADED = {("small", 0), ("medium", 1)}
NAMES = [
    "a",
    "a/b",
    "b",
    "b/c",
    "c",
    "a/b/c",
    "min",
    "pools/a",
    "max_money",
    "device_seconds",
    "a-b",
]


def renamed(problem: PlacementProblem, pools: list[str], llms: list[str]) -> PlacementProblem:
    """Return the problem with other names for its pools and its LLMs."""
    called = dict(zip(problem.llms, llms, strict=False))
    limits = replace(
        problem.limits,
        shares={called.get(llm, llm): share for llm, share in problem.limits.shares.items()},
        min_requests={called.get(llm, llm): m for llm, m in problem.limits.min_requests.items()},
    )
    return replace(
        problem,
        pools=tuple(
            replace(
                pool,
                name=name,
                resident=frozenset(called[llm] for llm in pool.resident if llm in called),
            )
            for pool, name in zip(problem.pools, pools, strict=False)
        ),
        placements=tuple(replace(p, llm=called[p.llm]) for p in problem.placements),
        limits=limits,
    )


def answers(problem: PlacementProblem) -> object:
    """What the relaxation proves and what its limits cost, names left out."""
    relaxation = Formulation(problem).build()
    found = bound(relaxation, problem.requests.workload, TimeBudget(60.0))
    if found is None:
        return None
    prices = [(p.unit, p.objective) for p in shadow_prices(problem, relaxation, found)]
    return found.lower_bound, found.placement.tolist(), found.multipliers.tolist(), prices


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 1000),
    pools=st.permutations(NAMES),
    llms=st.permutations(NAMES),
)
@example(seed=0, pools=["a", "a/b", "b"], llms=["b/c", "c", "b"])
def test_what_is_proven_and_what_limits_cost_do_not_hang_on_names(
    seed: int, pools: list[str], llms: list[str]
) -> None:
    problem = mixed_problem(seed, MIDDLE)
    assert answers(renamed(problem, pools, llms)) == answers(problem)


def test_loads_of_names_that_join_alike_are_counted_apart() -> None:
    """On pool a the LLM b/c is loaded, on pool a/b the LLM c."""
    limits = Limits(shares={"small": Share(0.5, 0.5)})
    plain = three_llms(workload(12), resident=False, limits=limits)
    chosen = [k for k, p in enumerate(plain.placements) if (p.llm, p.pool) in LOADED]
    assert len(chosen) == len(LOADED)
    plain = PlacementProblem.build(
        plain.requests, plain.pools, [plain.placements[k] for k in chosen], limits
    )
    alike = renamed(plain, ["a", "a/b"], ["b/c", "c"])
    assert len(Formulation(alike).side.loads) == 2
    assert answers(alike) == answers(plain)


def test_a_limit_on_an_llm_that_is_called_like_another_limit_has_its_own_unit() -> None:
    plain = three_llms(workload(60), limits=Limits(min_requests={"large": 9}))
    found = plan(renamed(plain, ["a", "b"], ["one", "two", "max_money"]), QUICK)
    (price,) = found.shadow_prices
    assert (price.constraint, price.unit) == ("min_requests/max_money", "request")
    assert price.objective > 0.0


def test_a_pool_may_be_called_like_the_names_that_prices_have() -> None:
    limits = Limits(1200.0, min_mean_quality=0.62)
    problem = renamed(three_llms(workload(600, 7), limits=limits), ["x/y", "x"], ["1", "2", "3"])
    found = plan(problem, QUICK)
    prices = {p.constraint: p for p in found.shadow_prices}
    assert prices["pools/x/y/device_seconds"].limit == PoolSeconds(0)
    others = alternatives(problem, found)
    named = {name for reason in others.reasons for name in reason}
    assert named <= {"cost", *(p.constraint for p in found.shadow_prices if p.objective > 0.0)}
