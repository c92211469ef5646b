"""The control is the paper's problem, solved to an optimum that is known in closed form."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks import case_study
from benchmarks.case_costs import BLIND, BLIND_DRAWN, CaseCosts, single
from benchmarks.case_plot import draw
from benchmarks.case_tables import CaseStudy, sections
from benchmarks.control import (
    assignment_problem,
    control_costs,
    objective_matrix,
    solve_control,
)
from benchmarks.published import CASE_STUDY_LLMS, PUBLISHED
from benchmarks.workloads import CONTEXT_TOKENS, case_study_workload, chat_workload, take
from costmodel.workload import Workload
from planner.solvers.cpsat import Effort, solve_assignment

ZETAS = (0.0, 0.2, 0.5, 1.0)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "studies" / "case-study.md"


@pytest.fixture(scope="module")
def costs() -> CaseCosts:
    return control_costs(case_study_workload(Path("nowhere"), 200, seed=0).workload)


@pytest.fixture(scope="module")
def on_example() -> CaseStudy:
    return case_study.study(Path("nowhere"), seed=0, zetas=ZETAS)


@pytest.mark.parametrize("llm", CASE_STUDY_LLMS)
def test_totals_of_one_llm_equal_the_closed_form(llm: str, costs: CaseCosts) -> None:
    tin, tout = costs.workload.input_tokens.tolist(), costs.workload.output_tokens.tolist()
    sums = sum(tin), sum(tout), sum(i * o for i, o in zip(tin, tout, strict=True))
    fit, column = PUBLISHED[llm], costs.llms.index(llm)
    alone = np.full(len(tin), column)
    for coefficients, total in (
        (fit.energy_coefficients, costs.total_energy_j(alone)),
        (fit.runtime_coefficients, costs.runtimes_s(alone).sum()),
    ):
        closed = sum(c * s for c, s in zip(coefficients, sums, strict=True))
        assert total == pytest.approx(closed, rel=1e-12)


def test_published_totals_of_the_whole_alpaca_set_follow_from_the_coefficients() -> None:
    """52,002 queries, whose sums of tokens were recovered from the paper's own six totals."""
    queries, sums = 52_002, np.array([1_125_669, 8_460_614, 160_504_458])
    published = ((74.770, 13.70), (132.753, 23.40), (985.157, 115.37))
    for llm, (kwh, mean_s) in zip(CASE_STUDY_LLMS, published, strict=True):
        fit = PUBLISHED[llm]
        assert sums @ fit.energy_coefficients / 3.6e6 == pytest.approx(kwh, rel=1e-4)
        assert sums @ fit.runtime_coefficients / queries == pytest.approx(mean_s, rel=1e-3)


def test_published_fits_pay_for_longer_prompts_with_negative_joules() -> None:
    long_prompt = Workload(np.array([1000]), np.array([10]))
    for fit in PUBLISHED.values():
        assert fit.energy_coefficients[0] < 0.0
        assert fit.runtime_coefficients[0] < 0.0
    assert PUBLISHED["llama-2-7b-chat"].energy_j(long_prompt)[0] < 0.0


@pytest.mark.parametrize("zeta", [step / 10 for step in range(11)])
def test_without_counts_every_request_gets_its_own_cheapest_llm(
    zeta: float, costs: CaseCosts
) -> None:
    problem = assignment_problem(costs, zeta, min_requests=0)
    found = solve_assignment(problem, Effort(10.0, 10.0))
    least = objective_matrix(costs, zeta).min(axis=1).sum()
    assert found.counts is not None
    assert (found.counts * problem.cost).sum() == pytest.approx(least, abs=1e-9)
    assert found.bound == pytest.approx(least, abs=1e-9)


@pytest.mark.parametrize("zeta", [step / 10 for step in range(11)])
def test_forcing_a_request_on_each_llm_costs_the_cheapest_switches(
    zeta: float, costs: CaseCosts
) -> None:
    """Three LLMs: the forced requests are those whose switch adds least, known in closed form."""
    matrix = objective_matrix(costs, zeta)
    own = matrix.argmin(axis=1)
    missing = sorted({0, 1, 2} - set(own.tolist()))
    extra = [np.sort(matrix[:, k] - matrix.min(axis=1)) for k in missing]
    point = solve_control(costs, zeta, seed=0)
    value = matrix[np.arange(len(own)), point.choice].sum()
    floor = matrix.min(axis=1).sum() + sum(e[0] for e in extra)
    second = sum(e[1] for e in extra) - sum(e[0] for e in extra)
    assert floor - 1e-9 <= value <= floor + second + 1e-9
    assert (point.choice != own).sum() == len(missing)
    assert point.status == "optimal"


def test_at_zeta_0_all_but_the_forced_requests_go_to_the_best_llm(costs: CaseCosts) -> None:
    choice = solve_control(costs, 0.0, seed=0).choice
    assert np.bincount(choice).tolist() == [1, 1, len(choice) - 2]


def test_at_zeta_1_all_but_the_forced_requests_go_to_their_least_joules(costs: CaseCosts) -> None:
    choice = solve_control(costs, 1.0, seed=0).choice
    unused = {0, 1, 2} - set(costs.energy_j.argmin(axis=1).tolist())
    assert (choice != costs.energy_j.argmin(axis=1)).sum() == len(unused)


def test_rising_zeta_never_raises_energy_nor_quality(on_example: CaseStudy) -> None:
    for points in (on_example.control, on_example.measured):
        for low, high in pairwise(points):
            assert high.energy_j <= low.energy_j * (1.0 + 1e-6)
            assert high.mean_quality <= low.mean_quality + 1e-9


def test_every_plan_gives_each_llm_a_request_and_proves_its_optimum(on_example: CaseStudy) -> None:
    for point in (*on_example.control, *on_example.measured):
        assert np.bincount(point.choice, minlength=3).min() >= 1
        assert point.status == "optimal"


def test_measured_costs_are_never_negative_and_have_a_makespan(on_example: CaseStudy) -> None:
    assert on_example.measured_costs.energy_j.min() > 0.0
    assert on_example.measured_costs.runtime_s.min() > 0.0
    for point in on_example.measured:
        assert point.makespan_s is not None
        assert point.makespan_s >= point.runtime_s.max()


def test_the_query_blind_split_of_an_llms_own_quality_costs_no_more_than_it_alone(
    costs: CaseCosts,
) -> None:
    for column, quality in enumerate(costs.quality.tolist()):
        alone = costs.energy_j[:, column].sum()
        split = costs.blind_energy_j(quality)
        assert split is not None
        assert split <= alone * (1.0 + 1e-12)
    assert costs.blind_energy_j(float(costs.quality.max()) + 0.01) is None


def test_the_query_blind_split_mixes_two_llms_in_proportion_to_quality() -> None:
    workload = Workload(np.array([1, 1]), np.array([1, 1]))
    costs = CaseCosts(
        workload,
        ("small", "large"),
        np.array([[1.0, 5.0], [1.0, 5.0]]),
        np.ones((2, 2)),
        np.array([0.5, 0.7]),
    )
    assert costs.blind_energy_j(0.6) == pytest.approx(6.0)
    assert costs.blind_energy_j(0.4) == pytest.approx(2.0)


def test_savings_compare_with_what_the_baseline_pays(on_example: CaseStudy) -> None:
    point = on_example.measured[-1]
    paid = point.baselines_j[single("llama-2-70b-chat")]
    assert paid is not None
    assert point.saving(single("llama-2-70b-chat")) == pytest.approx(1.0 - point.energy_j / paid)
    assert {BLIND, BLIND_DRAWN} <= set(point.baselines_j)


def test_without_the_traces_the_first_fitting_example_requests_are_taken() -> None:
    named = case_study_workload(Path("nowhere"), 200, seed=0)
    assert "examples/chat_1000.json" in named.origin
    assert len(named.workload) == 200
    assert (named.workload.input_tokens + named.workload.output_tokens).max() <= CONTEXT_TOKENS


def test_the_sample_of_the_trace_repeats_with_its_seed(shared_data: Path) -> None:
    first, again, other = (
        case_study_workload(shared_data, 200, seed).workload for seed in (0, 0, 1)
    )
    assert first.input_tokens.tolist() == again.input_tokens.tolist()
    assert first.input_tokens.tolist() != other.input_tokens.tolist()
    assert first.output_tokens.min() >= 1


def test_the_plot_is_a_picture_of_both_sections(on_example: CaseStudy, tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    draw(on_example, path)
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert width > 1000
    assert height > 700


def test_the_page_shows_what_the_command_prints(shared_data: Path) -> None:
    """All but two tables: makespans and random assignments of equally good plans may differ."""
    found = case_study.study(shared_data, seed=0, zetas=case_study.ZETAS)
    page = PAGE.read_text(encoding="utf-8")
    free = {"Measured cost models: plans", "Measured cost models: savings, %"}
    exact = {title: text for title, text in sections(found) if title not in free}
    assert len(exact) == 5
    assert [title for title, text in exact.items() if text not in page] == []


def test_taking_requests_keeps_their_order() -> None:
    workload = chat_workload(10, seed=3)
    assert take(workload, np.array([7, 2])).input_tokens.tolist() == [
        workload.input_tokens[7],
        workload.input_tokens[2],
    ]
