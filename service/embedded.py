"""Where the cost models and the fleet that come with jouleplan are found."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

PACKAGE_FOLDER = "embedded_models"
CHECKOUT_FOLDER = "models"
FLEET_FILE = "fleet.yaml"


def embedded_models_dir() -> Path:
    """Return the folder of the cost models that come with jouleplan.

    An installed wheel carries them inside this package; a checkout has them beside it.

    Returns
    -------
    Path
        A folder; it may be missing in an incomplete checkout.
    """
    package = Path(str(files("service")))
    installed = package / PACKAGE_FOLDER
    return installed if installed.is_dir() else package.parent / CHECKOUT_FOLDER
