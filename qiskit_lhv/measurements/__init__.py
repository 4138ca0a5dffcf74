"""What can be measured: measurements from Qiskit objects, and sets of them.

- ``specification``: single measurements, and the settings that users pass; ``bloch_vectors``: those of one qubit
- ``sets``: which measurements a party may choose; ``lattices``: how directions are spread evenly over the sphere
- ``axes``: sets of directions with a symmetry; ``polyhedra``, ``inradius_ascent``: how well they cover the sphere
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
