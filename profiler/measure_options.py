"""Options of the verbs that drive a live server."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from profiler.meters.rapl import POWERCAP

DCGM_QUERY = "sum(DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION) / 1000"
"""DCGM exporter's counter is in millijoules; narrow it to the server's GPUs by labels."""
API_KEY = "JOULEPLAN_SERVER_API_KEY"
"""Environment variable with the key of the server that is measured."""


def add_measure(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb ``measure``."""
    parser = verbs.add_parser(
        "measure",
        allow_abbrev=False,
        help="drive a live LLM server, meter it, and write observations",
        description=f"An API key of the server is read from the environment, {API_KEY}.",
    )
    add_pair(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="OBS")
    add_server(parser)
    add_meter(parser)
    design = parser.add_argument_group("what to measure")
    add = design.add_argument
    add("--input-tokens", default="32..2048", metavar="LOW..HIGH", help="or a list: 64,512")
    add("--output-tokens", default="16..512", metavar="LOW..HIGH")
    add("--concurrency", default="1..64", metavar="LOW..HIGH", help="requests kept in flight")
    add("--design", choices=("adaptive", "grid"), default="adaptive")
    add("--target-error", type=_share, default=0.05, metavar="RATIO", help="stop at; 0.05")
    add("--max-minutes", type=_positive, metavar="MIN")
    add("--max-kilojoules", type=_positive, metavar="KJ")
    add("--window-seconds", type=_positive, default=5.0, metavar="S", help="at least; 5")
    add("--idle-seconds", type=_number, default=10.0, metavar="S", help="0 for none; 10")
    add("--no-mixed", dest="mixed", action="store_false", help="no windows of mixed lengths")
    add("--seed", type=_whole, default=0)
    _add_said(parser)


def _add_said(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what the rows say").add_argument
    add("--kv-cache", choices=("on", "off"), default="on")
    add("--source", default="measured", help="name of the campaign; simulated if nothing real is")
    add("--engine", help="and its version, where the server does not tell")
    add("--hardware", help="in words, where the meter does not tell")
    add("--task", help="the mix of prompts, if it is one task's")


def add_check(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb ``check``."""
    parser = verbs.add_parser(
        "check",
        allow_abbrev=False,
        help="score artefacts against observations, or against a live server",
        description="Without --url, scores every artefact that the observations speak of. With it, "
        "a few random points of one artefact are measured again and kept in OBS.",
    )
    parser.add_argument("observations", type=Path, metavar="OBS")
    parser.add_argument("--models-dir", type=Path, required=True, metavar="DIR")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    add_pair(parser, required=False)
    add_server(parser)
    add_meter(parser)
    add = parser.add_argument_group("what to measure, with --url").add_argument
    parser.set_defaults(idle_seconds=0.0, mixed=False)
    add("--points", type=_whole, default=5, metavar="N", help="random ones of the profiled region")
    add("--window-seconds", type=_positive, default=5.0, metavar="S")
    add("--seed", type=_whole, default=0)
    _add_said(parser)


def add_pair(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the names of what is measured."""
    parser.add_argument("--llm", type=llm, required=required, metavar="NAME", help="as published")
    parser.add_argument(
        "--device",
        type=device,
        required=required,
        metavar="NAME",
        help="such as 1xh100-sxm5-80gb",
    )


def llm(text: str) -> str:
    """Return the normal form of the name of an LLM, as an option has it."""
    from costmodel.names import llm_name  # noqa: PLC0415  numpy comes with it

    return _normal(llm_name, text)


def device(text: str) -> str:
    """Return the normal form of the name of a device, as an option has it."""
    from costmodel.names import device_named  # noqa: PLC0415  numpy comes with it

    return _normal(device_named, text)


def _normal(normal: Callable[[str], str], text: str) -> str:
    try:
        return normal(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_server(parser: argparse.ArgumentParser) -> None:
    """Add the options of the server."""
    add = parser.add_argument_group("server").add_argument
    add("--url", metavar="URL", help="of an OpenAI-compatible server")
    add("--served-name", metavar="NAME", help="where it serves several LLMs")
    add("--start", metavar="COMMAND", help="starts the server, so that loading is measured too")
    add("--start-timeout", type=_positive, default=1800.0, metavar="S")


def add_meter(parser: argparse.ArgumentParser) -> None:
    """Add the options of the meters."""
    add = parser.add_argument_group("meter").add_argument
    add(
        "--meter",
        default="nvml",
        metavar="NAME",
        help="nvml, rapl, prometheus, zeus or replay; nvml,rapl for both",
    )
    add("--gpus", metavar="ID,ID", help="indices or UUIDs; default: where a process computes")
    add("--shared-gpus", action="store_true", help="all processes on the GPUs are the server's")
    add("--powercap", type=Path, default=POWERCAP, metavar="DIR", help="where RAPL's counters are")
    add("--prometheus-url", metavar="URL")
    add("--query", default=DCGM_QUERY, metavar="PROMQL", help="a counter in joules; DCGM's")
    add("--scrape-seconds", type=_positive, default=15.0, metavar="S", help="of Prometheus; 15")
    add("--scope", choices=("gpu", "gpu+cpu", "wall"), default="gpu", help="of its joules")
    add("--replay", type=Path, metavar="OBS", help="observations to measure again")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r:.60}") from None


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r:.60}") from None


def _positive(text: str) -> float:
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text!r}")
    return value


def _share(text: str) -> float:
    value = _number(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"expected a ratio between 0 and 1, got {text!r}")
    return value
