"""The command-line program ``qiskit-lhv`` and its demonstration."""
