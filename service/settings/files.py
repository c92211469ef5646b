"""Files that are read, and how often they are looked at again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from service.environment import FLEET_FILE, embedded_models_dir


class FileSettings(BaseModel):
    """Files that are read, and how often they are looked at again."""

    models_dir: Annotated[
        Path, Field(description="Folder of the cost models (artefacts and their cards).")
    ] = Field(default_factory=embedded_models_dir)
    fleet: Annotated[
        Path | None,
        Field(
            description="Fleet file used where a call names no fleet; "
            "`fleet.yaml` in the folder of the cost models where unset."
        ),
    ] = None
    allow_simulated: Annotated[
        bool, Field(description="Load cost models of simulations, shims and replays.")
    ] = False
    tokenizers_dir: Annotated[
        Path | None,
        Field(description="Folder of tokenizer files `<llm>.json`, which count prompts exactly."),
    ] = None
    reload_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=3600,
            description="How often to look for changed cost models and fleet [s]; 0 for never.",
        ),
    ] = 2.0

    @property
    def fleet_path(self) -> Path:
        """Where the fleet file is looked for; there may be none where `fleet` is unset."""
        return self.fleet or self.models_dir / FLEET_FILE
