"""The boundary to Qiskit: measurements, experiments, states."""
