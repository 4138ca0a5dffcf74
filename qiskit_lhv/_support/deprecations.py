"""Deprecations of other packages, which their own code raises when it is called."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["without_deprecations"]

P = ParamSpec("P")
T = TypeVar("T")


def without_deprecations(function: Callable[P, T]) -> Callable[P, T]:
    """The function, without warnings about deprecated parts that samplers, backends and transpilers use of each other.

    Whoever turns warnings into errors could not run on such a sampler at all, and can do nothing about it.
    """

    @functools.wraps(function)
    def quiet(*args: P.args, **kwargs: P.kwargs) -> T:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            return function(*args, **kwargs)

    return quiet
