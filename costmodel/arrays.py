"""The array types of the package: float64, int64 and bool, one axis of requests."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
FlagArray: TypeAlias = npt.NDArray[np.uint8]
