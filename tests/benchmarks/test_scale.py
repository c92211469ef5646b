"""The benchmark at scale, on batches small enough for a test. How long it takes is not judged."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.scale import __main__ as command
from benchmarks.scale.comparison import GAPS, reached
from benchmarks.scale.fractional import cheapest, min_deadline_s
from benchmarks.scale.instance import Instance
from benchmarks.scale.instances import MASKS, SLACK, build
from benchmarks.scale.methods.greedy import greedy
from benchmarks.scale.methods.min_cost_flow import is_transport, min_cost_flow
from benchmarks.scale.methods.planned import planned
from benchmarks.scale.nominal import nominal
from benchmarks.scale.recipes import fractional_moves
from benchmarks.scale.relaxed import fractional, terms_of
from benchmarks.scale.stored import restore, store
from service.calls.batch import Batch
from service.calls.schemas.calls import PlanRequest

SMALL = ["--sizes", "100", "--placements", "3", "--forms", "shares", "--runs", "1"]
SHORT = ["--cbc-seconds", "20", "--cpsat-seconds", "20"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scale")
    command.main([*SMALL, *SHORT, "--out", str(out)])
    return out


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, dict]:
    found = json.loads((folder / "scale.json").read_text(encoding="utf-8"))
    return {row["method"]: row for row in found["results"]}


@pytest.fixture(scope="module")
def masked() -> Instance:
    return build("masks", 2_000, 8)


def test_every_method_of_the_command_has_a_result(results: dict[str, dict]) -> None:
    assert set(results) == {
        "http",
        "plan",
        "greedy",
        "min-cost-flow",
        "naive CP-SAT",
        "PuLP/CBC",
    }
    assert all(row["runs"] == 1 for row in results.values()), results


def test_no_bound_lies_above_its_objective(results: dict[str, dict]) -> None:
    for row in results.values():
        if row["bound"] is not None:
            assert row["bound"] <= row["objective"] * (1.0 + 1e-9)


def test_plans_break_no_limit_and_the_slow_rules_agree(results: dict[str, dict]) -> None:
    assert results["plan"]["broken"] == results["http"]["broken"] == []
    assert all(row["slow_rules"] is not False for row in results.values())


def test_plan_cbc_and_min_cost_flow_agree_within_their_gaps(results: dict[str, dict]) -> None:
    ours, gap = results["plan"]["objective"], GAPS["shares"]
    for method in ("http", "min-cost-flow", "naive CP-SAT", "PuLP/CBC"):
        assert results[method]["objective"] == pytest.approx(ours, rel=2.0 * gap)
    assert results["PuLP/CBC"]["reached_s"] is not None
    assert results["PuLP/CBC"]["against_plan"].endswith("x")


def test_what_a_method_says_it_costs_is_what_the_evaluator_finds(results: dict[str, dict]) -> None:
    for row in results.values():
        assert row["judged"] == pytest.approx(row["objective"], rel=1e-9)


def test_the_page_has_a_row_for_each_method_and_the_plot_is_a_picture(folder: Path) -> None:
    page = (folder / "scale.md").read_text(encoding="utf-8")
    assert "### Shares: 100 requests x 3 placements" in page
    assert "| PuLP/CBC" in page
    picture = (folder / "scale.png").read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert min(struct.unpack(">II", picture[16:24])) > 500


def test_an_objective_that_was_not_reached_is_no_ratio() -> None:
    ours = {"method": "plan", "runs": 1, "seconds": {"solve": 2.0}, "objective": 100.0}
    cbc = {"method": "PuLP/CBC", "runs": 1, "reached_s": None, "objective": 101.0, "broken": []}
    assert reached(ours, cbc) == "not reached"
    assert reached(ours, {**cbc, "reached_s": 5.0, "objective": 100.0}) == "2.50x"


def test_bodies_by_column_and_by_row_hold_what_the_problem_holds(masked: Instance) -> None:
    problem = masked.problem()
    by_column = PlanRequest.model_validate_json(masked.body())
    by_row = PlanRequest.model_validate_json(masked.body(by_row=True))
    assert by_column.columns is not None
    assert by_row.requests is not None
    for batch in (Batch.from_columns(by_column.columns), Batch.from_rows(by_row.requests)):
        sent = batch.to_requests(masked.candidates)
        assert np.array_equal(sent.workload.input_tokens, problem.requests.workload.input_tokens)
        assert np.array_equal(sent.deadline_s, problem.requests.deadline_s)
        assert np.array_equal(sent.allowed, problem.requests.allowed)


def test_the_masks_are_twelve_different_ones(masked: Instance) -> None:
    assert len(np.unique(masked.problem().requests.allowed, axis=0)) == MASKS


def test_the_same_arguments_make_the_same_instance(masked: Instance, tmp_path: Path) -> None:
    assert build("masks", 2_000, 8).body() == masked.body()
    store(masked, tmp_path, {})
    assert restore(tmp_path).body() == masked.body()


def test_deadlines_are_1_05_times_the_least_feasible(masked: Instance) -> None:
    least = min_deadline_s(*fractional(masked), terms_of(masked.without("deadline_seconds")))
    assert masked.constraints["deadline_seconds"] == pytest.approx(SLACK * least, rel=1e-4)
    tight = {**masked.constraints, "deadline_seconds": 0.99 * least}
    late = replace(masked, constraints=tight)
    assert cheapest(*fractional(masked), terms_of(masked)) is not None
    assert cheapest(*fractional(late), terms_of(late)) is None


@pytest.mark.parametrize("form", ["shares", "deadline", "masks", "mixed"])
def test_without_any_of_its_limits_the_optimum_falls_by_a_hundredth(form: str) -> None:
    for limit, move in fractional_moves(build(form, 2_000, 8)):
        assert move >= 0.01, limit


def test_a_transportation_problem_is_known_by_its_rows() -> None:
    for form, known in (("shares", True), ("deadline", False)):
        instance = build(form, 200, 3)
        assert is_transport(nominal(instance, instance.problem())) is known


def test_greedy_keeps_shares_and_costs_no_less_than_the_exact_flow() -> None:
    instance = build("shares", 2_000, 8)
    problem = instance.problem()
    seen = nominal(instance, problem)
    by_hand, exact = greedy(seen), min_cost_flow(seen)
    assert by_hand.placement is not None
    for llm in problem.limits.shares:
        least, most = problem.request_counts(llm)
        count = sum(problem.placements[k].llm == llm for k in by_hand.placement.tolist())
        assert least <= count <= most
    assert by_hand.objective >= exact.objective >= exact.bound


def test_a_plan_costs_no_less_than_what_the_exact_flow_proves() -> None:
    instance = build("shares", 1_000, 8)
    exact = min_cost_flow(nominal(instance, instance.problem()))
    found = planned(instance.body({"relative_gap": GAPS["shares"]}))
    assert found.objective >= exact.bound
    assert found.bound <= exact.objective * (1.0 + 1e-9)
