"""Requests that want several answers, of one prompt or of several: the context is that of one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.arrays import FloatArray
from costmodel.output_lengths import OutputLengths
from costmodel.prompt_lengths import PromptLengths
from costmodel.workload import Workload
from planner.eligibility import find_unplaceable
from planner.inputs import Limits
from planner.planning import plan
from planner.problem import PlacementProblem
from planner.result import SolverOptions
from planner.schedule.dispatch import dispatch
from planner.schedule.evaluation import evaluate
from planner.schedule.schedule import lay_out
from tests.planner.instances import three_llms, workload

COUNTS = st.lists(st.integers(1, 9), min_size=1, max_size=7)


def wanting(choices: list[int], seed: int, **terms: object) -> PlacementProblem:
    load = replace(workload(len(choices), seed), choices=np.array(choices))
    return three_llms(load, **terms)  # type: ignore[arg-type]


def alone(problem: PlacementProblem) -> PlacementProblem:
    """Return the same problem with a request of its own for each choice."""
    choices = problem.requests.workload.choices
    assert choices is not None
    each = np.repeat(np.arange(problem.n), choices)
    load = replace(problem.requests.workload.take(each), choices=None)
    found = three_llms(load, count=1, concurrency=(8,), basis="kv_off")
    # What the prompt takes is shared: of the constant, each choice bears its part.
    share = 1.0 / choices[each, None]
    costs = replace(
        found.costs,
        energy_j=problem.costs.energy_j[each] * share,
        device_seconds=problem.costs.device_seconds[each] * share,
    )
    return replace(found, costs=costs)


@pytest.mark.parametrize("basis", ["kv_on", "kv_off"])
def test_costs_grow_by_the_same_with_each_choice_and_by_less_than_a_request(basis: str) -> None:
    first, second, third = (wanting([c], 3, basis=basis).costs for c in (1, 2, 3))
    for name in ("energy_j", "device_seconds"):
        one, two, three = (getattr(costs, name) for costs in (first, second, third))
        np.testing.assert_allclose(three - two, two - one)
        assert (two < 2 * one).all()
        assert (two > one).all()


def test_the_context_is_that_of_one_choice() -> None:
    problem = wanting([5], 0)
    load = problem.requests.workload
    context = int(load.input_tokens[0] + load.output_tokens[0])
    fits, not_quite = (
        replace(
            problem,
            placements=tuple(replace(p, max_context_tokens=most) for p in problem.placements),
        )
        for most in (context, context - 1)
    )
    assert not find_unplaceable(fits)
    assert find_unplaceable(not_quite)


@settings(deadline=None, max_examples=40)
@given(COUNTS, st.integers(0, 99))
def test_choices_hold_slots_as_so_many_requests_would(choices: list[int], seed: int) -> None:
    problem = wanting(choices, seed, count=1, concurrency=(8,), basis="kv_off")
    apart = alone(problem)

    def laid_out(one: PlacementProblem) -> tuple[float, float, FloatArray]:
        nowhere = np.zeros(one.n, dtype=np.int64)
        schedule = lay_out(one, nowhere, nowhere)
        return schedule.makespan_s, schedule.blocks[0].achieved_concurrency, schedule.end_s

    together_s, together, ends = laid_out(problem)
    apart_s, achieved, all_ends = laid_out(apart)
    assert together_s == pytest.approx(apart_s)
    assert together == pytest.approx(achieved)
    last = np.maximum.reduceat(all_ends, np.cumsum([0, *choices[:-1]]))
    np.testing.assert_allclose(ends, last)


def test_the_latency_is_that_of_one_choice() -> None:
    one, eight = wanting([1], 5, concurrency=(8,)), wanting([8], 5, concurrency=(8,))
    nowhere = np.zeros(1, dtype=np.int64)
    alike = [lay_out(problem, nowhere, nowhere) for problem in (one, eight)]
    assert alike[1].makespan_s <= alike[0].makespan_s
    assert alike[1].makespan_s == pytest.approx(alike[0].makespan_s, rel=0.2)
    assert alike[1].blocks[0].achieved_concurrency == pytest.approx(8.0)


def assert_proof_and_limits_are_kept(problem: PlacementProblem, *, limited: bool) -> None:
    """Plan it, under a deadline that can be kept where it is limited, and judge the plan."""
    if limited:
        # What dealing one way of it out takes is a limit that can be kept.
        limit = 1.01 * dispatch(problem, np.zeros(problem.n, dtype=np.int64)).makespan_s
        problem = replace(problem, limits=Limits(deadline_s=limit))
    # However soon it ends, its proof holds; a busy machine may need longer for a first plan.
    made = plan(problem, SolverOptions(time_limit_s=1.0, first_plan_s=60.0))
    assert made.lower_bound <= made.objective + 1e-9
    schedule = lay_out(problem, made.placement, made.device_index)
    found = evaluate(problem, schedule)
    assert not found.violations
    assert found.energy_j == pytest.approx(made.energy.value_j)
    assert (schedule.end_s <= made.makespan_s * (1 + 1e-9)).all()


@settings(deadline=None, max_examples=30)
@given(
    COUNTS,
    st.integers(0, 99),
    st.sampled_from([(1,), (4,), (1, 8)]),
    st.sampled_from(["power_down", "always_on"]),
    st.booleans(),
)
def test_plans_of_choices_keep_their_proof_and_their_limits(
    choices: list[int], seed: int, concurrency: tuple[int, ...], policy: str, limited: bool
) -> None:
    problem = wanting(choices, seed, concurrency=concurrency, power_policy=policy)
    assert_proof_and_limits_are_kept(problem, limited=limited)


def test_choices_are_whole_numbers_of_at_least_one() -> None:
    with pytest.raises(ValueError, match="choices of at least 1"):
        Workload(np.array([1]), np.array([1]), choices=np.array([0]))
    with pytest.raises(ValueError, match="Expected 1 choices, got 2"):
        Workload(np.array([1]), np.array([1]), choices=np.array([1, 2]))


PROMPTS = st.lists(st.lists(st.integers(0, 900), min_size=1, max_size=4), min_size=1, max_size=5)


def holding(prompts: list[list[int]], seed: int, **terms: object) -> PlacementProblem:
    """Return requests of these prompts, of one to three choices each."""
    rng = np.random.default_rng(seed)
    found = PromptLengths.of(
        np.array([tokens for one in prompts for tokens in one]), np.array([len(p) for p in prompts])
    )
    load = Workload(
        found.totals,
        rng.integers(1, 400, len(prompts)),
        choices=rng.integers(1, 4, len(prompts)),
        prompts=found,
    )
    return three_llms(load, **terms)  # type: ignore[arg-type]


def prompt_by_prompt(prompts: list[list[int]], problem: PlacementProblem) -> Workload:
    """Return the workload of a request of its own for each prompt."""
    load = problem.requests.workload
    each = np.repeat(np.arange(problem.n), [len(p) for p in prompts])
    apart = replace(load.take(each), input_tokens=np.zeros(len(each), int), prompts=None)
    return replace(apart, input_tokens=np.array([tokens for one in prompts for tokens in one]))


@settings(deadline=None, max_examples=40)
@given(PROMPTS, st.integers(0, 99), st.sampled_from(["kv_on", "kv_off"]), st.booleans())
def test_prompts_cost_and_extrapolate_as_requests_of_their_own(
    prompts: list[list[int]], seed: int, basis: str, uncertain: bool
) -> None:
    problem = holding(prompts, seed, basis=basis)
    load = problem.requests.workload
    if uncertain:
        means = load.output_tokens.astype(float)
        lengths = OutputLengths.from_quantiles({0.1: means, 0.9: 3 * means})
        load = replace(load, lengths=lengths, output_tokens=load.output_tokens)
        problem = three_llms(load, basis=basis)
    each = np.repeat(np.arange(problem.n), [len(p) for p in prompts])
    apart = three_llms(prompt_by_prompt(prompts, problem), basis=basis)
    starts = np.searchsorted(each, np.arange(problem.n))
    for name in ("energy_j", "device_seconds"):
        together, alone = getattr(problem.costs, name), getattr(apart.costs, name)
        np.testing.assert_allclose(together, np.add.reduceat(alone, starts), rtol=1e-9)
    flags = np.bitwise_or.reduceat(apart.costs.outside, starts)
    np.testing.assert_array_equal(problem.costs.outside != 0, flags != 0)
    # Scores are weighed by all tokens, contexts are those of the longest prompt.
    np.testing.assert_allclose(problem.tokens, np.add.reduceat(apart.tokens, starts))
    longest = np.maximum.reduceat(apart.requests.workload.context_tokens, starts)
    np.testing.assert_array_equal(problem.requests.workload.context_tokens, longest)


@settings(deadline=None, max_examples=40)
@given(PROMPTS, st.integers(0, 99), st.sampled_from([1, 4, 64]))
def test_a_plan_of_prompts_is_that_of_requests_of_their_own_on_the_same_device(
    prompts: list[list[int]], seed: int, concurrency: int
) -> None:
    terms: dict[str, object] = {"count": 1, "concurrency": (concurrency,), "basis": "kv_on"}
    problem = holding(prompts, seed, **terms)
    apart = three_llms(prompt_by_prompt(prompts, problem), **terms)  # type: ignore[arg-type]

    def judged(one: PlacementProblem) -> tuple[float, float, float]:
        nowhere = np.zeros(one.n, dtype=np.int64)
        schedule = lay_out(one, nowhere, nowhere)
        found = evaluate(one, schedule)
        return found.energy_j, schedule.makespan_s, schedule.blocks[0].achieved_concurrency

    if concurrency == 1:
        # No step is shared: joules and seconds are sums, in whatever order.
        assert judged(problem) == pytest.approx(judged(apart))
    else:
        # In slots the order of equal lengths is free, but not what they hold.
        assert judged(problem) == pytest.approx(judged(apart), rel=1e-6)


def test_three_prompts_of_one_line_have_the_joules_of_three_requests() -> None:
    def planned(workload: Workload) -> float:
        made = plan(three_llms(workload, concurrency=(1,)), SolverOptions(time_limit_s=5.0))
        return made.energy.value_j

    outputs = np.array([100, 100, 100])
    prompts = PromptLengths.of(np.array([10, 200, 700]), np.array([3]))
    apart = Workload(np.array([10, 200, 700]), outputs)
    together = Workload(prompts.totals, outputs[:1], prompts=prompts)
    assert planned(together) == pytest.approx(planned(apart))


@settings(deadline=None, max_examples=20)
@given(PROMPTS, st.integers(0, 99), st.sampled_from([(1,), (1, 8)]), st.booleans())
def test_plans_of_prompts_keep_their_proof_and_their_limits(
    prompts: list[list[int]], seed: int, concurrency: tuple[int, ...], limited: bool
) -> None:
    problem = holding(prompts, seed, concurrency=concurrency)
    assert_proof_and_limits_are_kept(problem, limited=limited)


def test_the_tokens_of_a_workload_are_those_of_its_prompts() -> None:
    prompts = PromptLengths.of(np.array([1, 2]), np.array([2]))
    with pytest.raises(ValueError, match="totals of the prompts"):
        Workload(np.array([4]), np.array([1]), prompts=prompts)
