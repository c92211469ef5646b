"""Files that are read, and how often they are looked at again; files that keep what must last."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field

from service.database.database_file import IN_MEMORY
from service.environment import FLEET_FILE, embedded_models_dir, state_file
from service.settings.texts import KIBIBYTE, MEBIBYTE


class FileSettings(BaseModel):
    """Files that are read, and how often they are looked at again."""

    models_dir: Path = Field(
        default_factory=embedded_models_dir,
        description="Folder of the cost models (artefacts and their cards).",
    )
    fleet: Path | None = Field(
        default=None,
        description="Fleet file used where a call names no fleet; "
        "`fleet.yaml` in the folder of the cost models where unset.",
    )
    allow_simulated: bool = Field(
        default=False, description="Load cost models of simulations, shims and replays."
    )
    tokenizers_dir: Path | None = Field(
        default=None,
        description="Folder of tokenizer files `<llm>.json`, which count prompts exactly.",
    )
    reload_seconds: float = Field(
        default=2.0,
        ge=0,
        le=3600,
        description="How often to look for changed cost models and fleet [s]; 0 for never.",
    )

    @property
    def fleet_path(self) -> Path:
        """Where the fleet file is looked for; there may be none where `fleet` is unset."""
        return self.fleet or self.models_dir / FLEET_FILE


def _default_actuals_path() -> Path:
    """Return a file in the user's state folder, memory where there is no such user."""
    try:
        return state_file("actuals.sqlite3")
    except RuntimeError:
        return IN_MEMORY


class StoreSettings(BaseModel):
    """What is kept, where and for how long."""

    store_path: Path | None = Field(
        default=None,
        description="File that keeps asynchronous plans; `:memory:` for none. Where unset: "
        "`jouleplan/plans.sqlite3` in the user's state folder, or memory where that cannot be "
        "written.",
    )
    store_max_plans: int = Field(
        default=1000, ge=1, le=1_000_000, description="Ended plans that are kept; the oldest go."
    )
    store_max_bytes: int = Field(
        default=512 * MEBIBYTE,
        ge=KIBIBYTE,
        le=2**40,
        description="Bytes of their answers that are kept; the oldest go.",
    )
    store_max_age_seconds: float = Field(
        default=604_800.0, gt=0, le=1e9, description="Age at which an ended plan goes [s]."
    )
    actuals_path: Path = Field(
        default_factory=_default_actuals_path,
        description="File that keeps actuals and the policy; `:memory:` for none.",
    )
    max_actuals: int = Field(
        default=200_000, ge=1, le=100_000_000, description="Actuals that are kept; the oldest go."
    )
