"""Options of the verbs that drive a live server."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from commandline.parser import CommandParser, file_path, number, path, whole_number
from profiler.meters.rapl import POWERCAP
from profiler.option_values import device, llm, positive, share

DCGM_QUERY = "sum(DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION) / 1000"
"""DCGM exporter's counter is in millijoules; narrow it to the server's GPUs by labels."""
API_KEY = "JOULEPLAN_SERVER_API_KEY"
"""Environment variable with the key of the server that is measured."""


def add_measure(verbs: argparse._SubParsersAction[CommandParser]) -> None:
    """Add the verb ``measure``."""
    parser = verbs.add_parser(
        "measure",
        help="send requests to an LLM server, meter its energy, write observations",
        description="Sends requests to a running LLM server, meters its energy, and appends a "
        "row to OBS for each window. The same command goes on where it was stopped. An API key "
        f"of the server is read from {API_KEY} in the environment.",
        epilog="examples:\n"
        "  %(prog)s --url http://127.0.0.1:8000 --llm llama-3.1-8b-instruct \\\n"
        "    --device 1xh100-sxm5-80gb --meter nvml --max-minutes 20 --out observations.csv\n"
        "  %(prog)s --llm llama-3.1-8b-instruct --device 1xh100-sxm5-80gb --meter replay \\\n"
        "    --replay observations.csv --out again.csv",
    )
    add_pair(parser)
    add_out(parser)
    add_server(parser)
    add_meter(parser)
    add = parser.add_argument_group("what to measure").add_argument
    _add_axes(add)
    _add_design(add)
    _add_window(add)
    add(
        "--idle-seconds",
        type=number,
        default=10.0,
        metavar="S",
        help="seconds for which to meter the idle server, 0 for none; default: %(default)g",
    )
    add(
        "--no-mixed",
        dest="mixed",
        action="store_false",
        help="measure no windows in which lengths are mixed",
    )
    _add_seed(add)
    _add_facts(parser)


def _add_axes(add: Callable[..., object]) -> None:
    add(
        "--input-tokens",
        default="32..2048",
        metavar="LOW..HIGH",
        help="lengths of prompts: LOW, twice that, and so on to HIGH, or a list such as 64,512; "
        "default: %(default)s",
    )
    add(
        "--output-tokens",
        default="16..512",
        metavar="LOW..HIGH",
        help="lengths of answers, likewise; default: %(default)s",
    )
    add(
        "--concurrency",
        default="1..64",
        metavar="LOW..HIGH",
        help="requests kept in flight, likewise; default: %(default)s",
    )


def _add_design(add: Callable[..., object]) -> None:
    add(
        "--design",
        choices=("adaptive", "grid"),
        default="adaptive",
        help="measure the points that teach most, or every point; default: %(default)s",
    )
    add(
        "--target-error",
        type=share,
        default=0.05,
        metavar="RATIO",
        help="stop when predictions have this relative standard error; default: %(default)s",
    )
    add("--max-minutes", type=positive, metavar="MIN", help="stop after this time")
    add("--max-kilojoules", type=positive, metavar="KJ", help="stop after this energy")


def _add_window(add: Callable[..., object]) -> None:
    add(
        "--window-seconds",
        type=positive,
        default=5.0,
        metavar="S",
        help="shortest time for which a point is metered; default: %(default)g",
    )


def _add_seed(add: Callable[..., object]) -> None:
    add(
        "--seed",
        type=whole_number,
        default=0,
        metavar="N",
        help="seed of the order and of drawn lengths; default: %(default)s",
    )


def _add_facts(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what to write into the rows").add_argument
    add(
        "--kv-cache",
        choices=("on", "off"),
        default="on",
        help="whether the server has a KV cache; default: %(default)s",
    )
    add(
        "--source",
        default="measured",
        metavar="NAME",
        help="name of the campaign; simulated where nothing real is measured; default: %(default)s",
    )
    add("--engine", metavar="TEXT", help="engine and its version, where the server does not tell")
    add("--hardware", metavar="TEXT", help="the hardware, where the meter does not tell")
    add("--task", metavar="TEXT", help="task that the prompts are of, where it is one")


def add_check(verbs: argparse._SubParsersAction[CommandParser]) -> None:
    """Add the verb ``check``."""
    parser = verbs.add_parser(
        "check",
        help="compare cost models with observations, or with a live server",
        description="Compares cost models with the observations of OBS and prints their errors. "
        "With --url, a few random points of one cost model are measured again and kept in OBS.",
        epilog="examples:\n"
        "  %(prog)s observations.csv --models-dir my-models --json\n"
        "  %(prog)s today.csv --models-dir my-models --url http://127.0.0.1:8000 \\\n"
        "    --llm llama-3.1-8b-instruct --device 1xh100-sxm5-80gb --meter nvml",
    )
    parser.add_argument("observations", type=path, metavar="OBS", help="file of observations")
    add_models_dir(parser, "folder of the artefacts")
    parser.add_argument("--json", action="store_true", help="print the errors as JSON, not a table")
    add_pair(parser, required=False)
    add_server(parser)
    add_meter(parser)
    add = parser.add_argument_group("what to measure, with --url").add_argument
    parser.set_defaults(idle_seconds=0.0, mixed=False)
    add(
        "--points",
        type=whole_number,
        default=5,
        metavar="N",
        help="random points between profiled ones to measure; default: %(default)s",
    )
    _add_window(add)
    _add_seed(add)
    _add_facts(parser)


def add_models_dir(parser: argparse.ArgumentParser, text: str) -> None:
    """Add the folder of artefacts."""
    parser.add_argument("--models-dir", type=path, required=True, metavar="DIR", help=text)


def add_out(parser: argparse.ArgumentParser) -> None:
    """Add the file that observations are appended to."""
    parser.add_argument(
        "--out",
        type=file_path,
        required=True,
        metavar="OBS",
        help="CSV file to append observations to; made where there is none",
    )


def add_pair(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the names of what is measured."""
    parser.add_argument(
        "--llm", type=llm, required=required, metavar="NAME", help="published name of the LLM"
    )
    parser.add_argument(
        "--device",
        type=device,
        required=required,
        metavar="NAME",
        help="device that serves it, such as 1xh100-sxm5-80gb",
    )


def add_server(parser: argparse.ArgumentParser) -> None:
    """Add the options of the server."""
    add = parser.add_argument_group("server").add_argument
    add("--url", metavar="URL", help="URL of an OpenAI-compatible server")
    add(
        "--served-name",
        metavar="NAME",
        help="name that the server has for the LLM, where it serves several",
    )
    add(
        "--start",
        metavar="COMMAND",
        help="command that starts the server, so that loading is measured too",
    )
    add(
        "--start-timeout",
        type=positive,
        default=1800.0,
        metavar="S",
        help="seconds that the start may take; default: %(default)g",
    )


def add_meter(parser: argparse.ArgumentParser) -> None:
    """Add the options of the meters."""
    add = parser.add_argument_group("meter").add_argument
    add(
        "--meter",
        default="nvml",
        metavar="NAME",
        help="nvml, rapl, prometheus, zeus or replay, or several joined by commas to add them up, "
        "such as nvml,rapl; default: %(default)s",
    )
    add(
        "--gpus",
        metavar="ID,ID",
        help="indices or UUIDs of the server's GPUs; default: those on which a process computes",
    )
    add(
        "--shared-gpus",
        action="store_true",
        help="several processes may compute on the GPUs; all of them are the server's",
    )
    add(
        "--powercap",
        type=path,
        default=POWERCAP,
        metavar="DIR",
        help="rapl: folder of the counters; default: %(default)s",
    )
    add("--prometheus-url", metavar="URL", help="prometheus: URL of the Prometheus server")
    add(
        "--query",
        default=DCGM_QUERY,
        metavar="PROMQL",
        help="prometheus: query of one counter in joules; default: that of the DCGM exporter",
    )
    add(
        "--scrape-seconds",
        type=positive,
        default=15.0,
        metavar="S",
        help="prometheus: seconds between two scrapes; default: %(default)g",
    )
    add(
        "--scope",
        choices=("gpu", "gpu+cpu", "wall"),
        default="gpu",
        help="prometheus: what the joules include; default: %(default)s",
    )
    add(
        "--replay",
        type=path,
        metavar="OBS",
        help="replay: file of observations to measure again, without a server",
    )
