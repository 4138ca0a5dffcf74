"""Short names for types of arrays in annotations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ComplexArray", "FloatArray", "IntArray"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ComplexArray = NDArray[np.complex128]
