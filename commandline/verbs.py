"""The verbs of `jouleplan`, which application has each, and the overview of them all."""

from __future__ import annotations

from collections.abc import Mapping

SERVICE, PROFILER = "service", "profiler"
"""The two applications; the extra that holds the libraries of each is called the same."""

VERBS: Mapping[str, Mapping[str, str]] = {
    SERVICE: {
        "serve": "answer calls over HTTP until told to stop",
        "plan": "plan the requests of a file, without a server",
        "keys": "add, list or remove API keys of the service",
    },
    PROFILER: {
        "measure": "send requests to an LLM server, meter its energy, write observations",
        "import": "turn a file of measurements into observations",
        "fit": "fit a cost model to the observations of each LLM and device",
        "check": "compare cost models with observations, or with a live server",
        "show": "print a cost model as tables",
        "errors": "print the cross-validated errors of cost models as Markdown",
        "anova": "analyse which token counts explain the variance of energy and runtime",
    },
}
"""By application, what each verb does: the words that the application's own help has."""

APPLICATION_OF = {verb: name for name, verbs in VERBS.items() for verb in verbs}

_OVERVIEW = """\
usage: jouleplan VERB [OPTION ...]

Plans where LLM requests should run so that they cost the least energy.

plan and serve (pip install 'jouleplan[service]'):
{service}

measure LLM servers and fit cost models (pip install 'jouleplan[profiler]'):
{profiler}

jouleplan VERB --help prints the options of a verb, with an example.
jouleplan --version prints the version.

Exit status: 0 when the work is done; 1 where there is no plan, or standard output cannot be
written; 2 where the input is refused, or the libraries of a verb are not installed; 130 after
Ctrl-C.
"""


def overview() -> str:
    """Return what `jouleplan --help` prints."""
    lines = {
        name: "\n".join(f"  {verb:<9}{does}" for verb, does in verbs.items())
        for name, verbs in VERBS.items()
    }
    return _OVERVIEW.format(**lines)
