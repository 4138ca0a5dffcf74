"""Finite counts: fits, evidence against local models, signaling, intervals and planning.

From the ground up: ``tails`` and ``random_orders``; ``fits`` and ``intervals``; ``signaling``; ``assumptions``;
``evidence``; ``planning``. The docstring of each folder says what its files hold.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
