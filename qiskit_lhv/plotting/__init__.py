"""Pictures with matplotlib (extra ``plot``). Every function returns a figure and does not show it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
