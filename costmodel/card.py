"""Cards: what an artefact says, as JSON for people and diffs.

A card repeats its artefact field by field and adds the digest of the joblib file, the ranges of the
profiled points, and for every null the reason. The digest shows that the two files belong together
and are intact. It is no signature: who can write the folder can write both, and is trusted.
"""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from costmodel.cost_model import CostModel
from costmodel.errors import MalformedArtefactError

NOT_RECORDED = "not recorded"
_PROVENANCE_FIELDS = ("date", "hardware", "driver", "engine", "task", "observations", "points")
_FIELDS = (
    "energy_interval",
    "device_seconds_interval",
    "load_s",
    "load_energy_j",
    "idle_watts",
    "max_context_tokens",
    "mixed_lengths",
)


def to_card(cost_model: CostModel, artefact: Mapping[str, Any], sha256: str) -> dict[str, Any]:
    """Return the card of an artefact.

    Parameters
    ----------
    cost_model : CostModel
        Cost model that the artefact was made of.
    artefact : mapping
        Artefact from `costmodel.conversion.to_artefact`.
    sha256 : str
        Checksum of the joblib file, in hexadecimal.
    """
    ranges = cost_model.region.ranges()
    return {
        **artefact,
        "sha256": sha256,
        "ranges": {axis: span and list(span) for axis, span in ranges.items()},
        "null_reasons": null_reasons(cost_model),
    }


def null_reasons(cost_model: CostModel) -> dict[str, str]:
    """Return for each null field of the card its reason, ``not recorded`` where none is known."""
    names = [name for name in _FIELDS if getattr(cost_model, name) is None]
    names += [name for name in _PROVENANCE_FIELDS if getattr(cost_model.provenance, name) is None]
    if not cost_model.region.input_known:
        names.append("input_tokens")
    given = cost_model.provenance.null_reasons
    return {name: given.get(name, NOT_RECORDED) for name in names}


def dump_card(card: Mapping[str, Any]) -> str:
    """Return a card as sorted, indented JSON text."""
    return json.dumps(card, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def parse_card(text: bytes) -> dict[str, Any]:
    """Return the card in a file.

    Raises
    ------
    MalformedArtefactError
        If it is not JSON of one object with a digest.
    """
    try:
        card = json.loads(text.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        msg = "Expected a card of JSON, got something else."
        raise MalformedArtefactError(msg) from error
    if not isinstance(card, dict) or not isinstance(card.get("sha256"), str):
        msg = "Expected a card with the sha256 of its joblib file, got none."
        raise MalformedArtefactError(msg)
    return card


def check_card(card: Mapping[str, Any], artefact: Mapping[str, Any]) -> None:
    """Check that a card says what its artefact says.

    Raises
    ------
    MalformedArtefactError
        If a field differs, as after an edit by hand.
    """
    for name, value in artefact.items():
        if name not in card or card[name] != value:
            msg = f"Expected the card to repeat {name} of the artefact, got another value."
            raise MalformedArtefactError(msg)


def _refuse_constant(name: str) -> NoReturn:
    msg = f"Expected finite numbers, got {name}."
    raise ValueError(msg)
