"""The meter that the command line names."""

from __future__ import annotations

import argparse

from costmodel.names import device_num_gpus
from profiler.errors import UnusableInputError
from profiler.meters.combined import CombinedMeter
from profiler.meters.meter import Meter

NAMES = ("nvml", "rapl", "prometheus", "zeus")
REPLAY = "replay"


def make_meter(options: argparse.Namespace) -> Meter:
    """Make the meter, or the meters joined by commas.

    Parameters
    ----------
    options
        Options of the command line; libraries are imported where their meter is named.

    Raises
    ------
    UnusableInputError
        If a name is none, or its options are missing.
    """
    meters = [_make(name.strip(), options) for name in options.meter.split(",")]
    return meters[0] if len(meters) == 1 else CombinedMeter(meters)


def _make(name: str, options: argparse.Namespace) -> Meter:
    gpus = None if options.gpus is None else [gpu.strip() for gpu in options.gpus.split(",")]
    if name == "nvml":
        from profiler.meters.nvml import NvmlMeter  # noqa: PLC0415

        return NvmlMeter(device_num_gpus(options.device), gpus, shared=options.shared_gpus)
    if name == "rapl":
        from profiler.meters.rapl import RaplMeter  # noqa: PLC0415

        return RaplMeter(options.powercap)
    if name == "prometheus":
        return _prometheus(options)
    if name == "zeus":
        from profiler.meters.zeus import ZeusMeter  # noqa: PLC0415

        if gpus is not None and not all(gpu.isdigit() for gpu in gpus):
            raise UnusableInputError(f"Expected indices for zeus, got --gpus {options.gpus}.")
        chosen = None if gpus is None else tuple(int(gpu) for gpu in gpus)
        return ZeusMeter(device_num_gpus(options.device), chosen)
    msg = f"Expected --meter {', '.join((*NAMES, REPLAY))}, got {name!r}."
    raise UnusableInputError(msg)


def _prometheus(options: argparse.Namespace) -> Meter:
    from profiler.meters.prometheus import PrometheusMeter  # noqa: PLC0415

    if options.prometheus_url is None:
        raise UnusableInputError("Expected --prometheus-url with --meter prometheus, got none.")
    return PrometheusMeter(
        options.prometheus_url,
        options.query,
        scope=options.scope,
        scrape_s=options.scrape_seconds,
    )
