"""The largest weight of white noise that a proof of locality may need."""

from __future__ import annotations

__all__ = ["STATE_TOLERANCE"]


STATE_TOLERANCE = 2e-7
"""A state is called LOCAL where it is proven so with at most this weight of white noise."""
