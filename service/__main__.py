"""`python -m service`: serve, or print the settings."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop.

    Returns
    -------
    int
        0 after serving or printing, 2 where the settings are wrong.
    """
    parser = argparse.ArgumentParser(prog="python -m service", description="The planning service.")
    parser.add_argument("--print-config", action="store_true", help="print the settings and stop")
    options = parser.parse_args(arguments)

    # A worker process imports this module before it does anything: it must stay light.
    from service.serving import print_settings, read_settings, serve  # noqa: PLC0415

    settings = read_settings()
    if settings is None:
        return 2
    return print_settings(settings) if options.print_config else serve(settings)


if __name__ == "__main__":
    sys.exit(main())
