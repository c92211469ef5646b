"""Settings of the service: environment variables `JOULEPLAN_*`, read once into a frozen object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.settings.access import AccessSettings
from service.settings.connections import ConnectionSettings
from service.settings.decisions import DecisionSettings
from service.settings.files import FileSettings, StoreSettings
from service.settings.work import WorkSettings

VARIABLE_PREFIX = "JOULEPLAN_"


class Settings(
    DecisionSettings,
    StoreSettings,
    WorkSettings,
    ConnectionSettings,
    AccessSettings,
    FileSettings,
    BaseSettings,
):
    """What an operator may set; see each field for its meaning, unit and bounds."""

    model_config = SettingsConfigDict(
        env_prefix=VARIABLE_PREFIX, frozen=True, extra="forbid", allow_inf_nan=False
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("*", mode="before")
    @classmethod
    def _is_given(cls, value: object) -> object:
        if isinstance(value, str) and not value.strip():
            raise ValueError("Expected a value, got an empty text: unset it for the default.")
        return value


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Return the variables that look like settings and are none.

    Examples
    --------
    >>> unknown_variables({"JOULEPLAN_PORT": "80", "JOULEPLAN_PROT": "80", "HOME": "/"})
    ['JOULEPLAN_PROT']
    """
    known = {VARIABLE_PREFIX + name.upper() for name in Settings.model_fields}
    return sorted(
        name for name in environment if name.startswith(VARIABLE_PREFIX) and name not in known
    )
