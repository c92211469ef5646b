"""Where a cost model comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from costmodel.errors import InvalidCostModelError

GPU = "gpu"
GPU_AND_CPU = "gpu+cpu"
ENERGY_SCOPES = (GPU, GPU_AND_CPU, "wall")
KV_CACHE_SETTINGS = ("on", "off")
SIMULATED = "simulated"


@dataclass(frozen=True)
class Provenance:
    """What was measured, with what, on what; None where it is not known.

    Attributes
    ----------
    source : str
        Data set or campaign; ``simulated`` for simulations, shims and replays.
    kv_cache : {"on", "off"}
        Whether the engine kept keys and values.
    energy_scope : {"gpu", "gpu+cpu", "wall"}
        What the joules include.
    date : str or None
        Date of the measurements, ISO 8601, as exact as known.
    hardware, driver, engine, task : str or None
        In words and versions; `task` is the mix of prompts.
    observations, points : int or None
        Rows that the fit used, and distinct profiled points among them.
    notes : tuple of str
        What a reader of the card should know.
    null_reasons : mapping of str to str
        For a field of the card that is null, why.
    """

    source: str
    kv_cache: str
    energy_scope: str
    date: str | None = None
    hardware: str | None = None
    driver: str | None = None
    engine: str | None = None
    task: str | None = None
    observations: int | None = None
    points: int | None = None
    notes: tuple[str, ...] = ()
    null_reasons: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.source:
            msg = f"Expected a source, got {self.source!r}."
            raise InvalidCostModelError(msg)
        _check_choice("kv_cache", self.kv_cache, KV_CACHE_SETTINGS)
        _check_choice("energy_scope", self.energy_scope, ENERGY_SCOPES)
        if isinstance(self.notes, str):
            msg = f"Expected notes as a tuple of str, got {self.notes!r}."
            raise InvalidCostModelError(msg)

    @property
    def simulated(self) -> bool:
        """Whether nothing real was measured."""
        return self.source == SIMULATED


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        msg = f"Expected {name} to be one of {', '.join(choices)}, got {value!r}."
        raise InvalidCostModelError(msg)
