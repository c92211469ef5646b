"""How one who asks says what would mend a refusal: in a body, in the query, on the command line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Spelling:
    """What options are called.

    Attributes
    ----------
    report
        That what cannot be planned is to be reported, and the rest planned.
    any_llm
        That any LLM may serve any line of a batch file.
    output_tokens
        An estimate for lines that state no limit of their output.
    column
        Which column of a table is meant; None where that cannot be said.
    """

    report: str
    any_llm: str
    output_tokens: str
    column: str | None


BODY = Spelling('"on_unplaceable": "report"', '"llms": null', '"output_tokens"', None)
QUERY = Spelling("on_unplaceable=report", "llms=any", "output_tokens", None)
COMMAND = Spelling("--report-unplaceable", "--llms any", "--output-tokens", "--column")
