"""Silence about deprecated code that other packages use of each other."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["without_deprecations"]

P = ParamSpec("P")
T = TypeVar("T")


def without_deprecations(function: Callable[P, T]) -> Callable[P, T]:
    """Wraps a function so that it raises no warnings about deprecated code.

    Samplers, backends and transpilers use deprecated parts of each other. Users who turn warnings into errors could not
    run on such a sampler at all, and could do nothing about it.
    """

    @functools.wraps(function)
    def quiet(*args: P.args, **kwargs: P.kwargs) -> T:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            return function(*args, **kwargs)

    return quiet
