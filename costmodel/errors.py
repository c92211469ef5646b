"""What can go wrong with cost models, cut by what the caller can do about it.

::

    CostModelError
    ├── InvalidCostModelError      a value that no cost model may hold; also a ValueError
    ├── NameRefusedError           a name of an LLM or a device that is not one; also a ValueError
    ├── MomentRefusedError         a text or number that is no moment or no zone; also a ValueError
    ├── UnknownCostModelError      a pair that the catalogue does not hold; also a LookupError
    └── ArtefactError              a file that is not loaded; the others still are
        ├── UnsafeArtefactError    holds something other than plain data, or too much of it
        ├── DigestMismatchError    is not the file that its card describes
        ├── MissingFileError       lacks its card, or the card lacks its joblib file
        ├── UnsupportedSchemaError has a schema that this release cannot read
        ├── MalformedArtefactError is plain data, yet no cost model
        └── SimulatedArtefactError was not measured, and only measurements were asked for

Messages have the form ``Expected x ..., got y.``
"""

from typing import ClassVar


class CostModelError(Exception):
    """Root of all errors of this package.

    Attributes
    ----------
    kind : str
        Short stable name of the class of error, for labels and JSON.
    """

    kind: ClassVar[str] = "cost_model"


class InvalidCostModelError(CostModelError, ValueError):
    """A value that no cost model may hold, such as a negative coefficient."""

    kind = "invalid"


class NameRefusedError(CostModelError, ValueError):
    """A name that is not the name of an LLM or of a device."""

    kind = "name_refused"


class MomentRefusedError(CostModelError, ValueError):
    """A text or number that is no moment, or no zone."""

    kind = "moment_refused"


class UnknownCostModelError(CostModelError, LookupError):
    """A pair of LLM and device for which the catalogue holds no cost model."""

    kind = "unknown"


class ArtefactError(CostModelError):
    """A file that is not loaded; nothing of it was executed."""

    kind = "artefact"


class UnsafeArtefactError(ArtefactError):
    """A file that holds something other than plain data, or too much of it."""

    kind = "unsafe"


class DigestMismatchError(ArtefactError):
    """A file whose SHA-256 differs from the one on its card."""

    kind = "digest_mismatch"


class MissingFileError(ArtefactError):
    """One half of the pair of joblib file and card that is not there."""

    kind = "missing_file"


class UnsupportedSchemaError(ArtefactError):
    """A file of a schema that this release cannot read."""

    kind = "unsupported_schema"


class MalformedArtefactError(ArtefactError):
    """A file of plain data that is no cost model."""

    kind = "malformed"


class SimulatedArtefactError(ArtefactError):
    """A file whose source is a simulation where only measurements are admitted."""

    kind = "simulated"
