"""Reports: the answers for one target and for the groups of qubits of a device."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
