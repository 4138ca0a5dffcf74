"""The command line, ``qiskit-lhv``, and its demonstration."""
