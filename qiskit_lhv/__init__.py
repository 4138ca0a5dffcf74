"""qiskit_lhv: do these quantum correlations admit a local hidden-variable model?

The names used most are here, all others in their rooms, such as ``qiskit_lhv.polytope.local_weight``. Names and rooms
load when they are first used, so importing the package costs next to nothing.
"""

from typing import Any

import lazy_loader

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("qiskit-lhv")
    return _load(name)
