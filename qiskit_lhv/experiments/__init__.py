"""Bell tests as Qiskit circuits: settings, schedules, samplers, devices, and the counts that come back."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
