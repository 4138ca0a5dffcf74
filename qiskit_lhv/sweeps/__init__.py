"""Many tasks, one after another or spread over workers, with a store that survives interruptions."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
