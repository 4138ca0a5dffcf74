"""States under all projective measurements: proofs of locality, and settings that show nonlocality."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
