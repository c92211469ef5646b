"""The offline case study of arXiv 2407.04014, as published and with the measured cost models.

    python -m benchmarks.case_study [--out DIR] [--seed N] [--samples N] [--data DIR]

Llama-2 7B, 13B and 70B, zeta from 0 to 1 by 0.1, 200 requests, each LLM with at least one. Prints
the tables and writes `case-study.png`; with `--samples`, repeats the study on that many samples of
the requests and prints how far the savings at equal quality vary.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.case_plot import draw
from benchmarks.case_tables import CaseStudy, sections, spread_table
from benchmarks.control import control_costs, solve_control
from benchmarks.fleets import paper_fleet
from benchmarks.measured import measured_costs, solve_measured
from benchmarks.workloads import DATA, case_study_workload

REQUESTS = 200
ZETAS = tuple(step / 10 for step in range(11))
PLOT = "case-study.png"


def study(data: Path, seed: int, zetas: Sequence[float] = ZETAS) -> CaseStudy:
    """Run both sections over the same requests.

    Parameters
    ----------
    data
        Folder with `azure2023/conv.csv.gz`; without it the shipped example is taken.
    seed
        Seed of the sample, of the random policies and of the solver.
    """
    named = case_study_workload(data, REQUESTS, seed)
    workload, fleet = named.workload, paper_fleet()
    published, measured = control_costs(workload), measured_costs(workload, fleet)
    return CaseStudy(
        origin=named.origin,
        control_costs=published,
        measured_costs=measured,
        control=tuple(solve_control(published, zeta, seed) for zeta in zetas),
        measured=tuple(solve_measured(measured, fleet, zeta, seed) for zeta in zetas),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study, print it and draw it."""
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="python -m benchmarks.case_study")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the plot")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=1, help="seeds from --seed on")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with azure2023/")
    options = parser.parse_args(arguments)
    found = study(options.data, options.seed)
    print(f"Requests: {found.origin}.")
    for title, text in sections(found):
        print(f"\n{title}\n\n{text}")
    options.out.mkdir(parents=True, exist_ok=True)
    draw(found, options.out / PLOT)
    print(f"\nPlot: {options.out / PLOT}")
    if options.samples > 1:
        seeds = range(options.seed, options.seed + options.samples)
        spread = spread_table([study(options.data, seed) for seed in seeds])
        print(f"\nSavings at equal quality over {options.samples} samples, %\n\n{spread}")


if __name__ == "__main__":
    main()
