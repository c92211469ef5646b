"""What is kept, where and for how long."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field

from service.database.database_file import MEMORY
from service.environment import state_file
from service.settings.texts import KIBIBYTE, MEBIBYTE


def _default_actuals_path() -> Path:
    """Return a file in the user's state folder, memory where there is no such user."""
    try:
        return state_file("actuals.sqlite3")
    except RuntimeError:
        return MEMORY


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
