"""Files that are read, and how often they are looked at again."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field

from service.environment import FLEET_FILE, embedded_models_dir


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
