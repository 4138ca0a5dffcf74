"""The question in one call: ``analyze`` answers it for behaviors, counts, states and estimates."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
