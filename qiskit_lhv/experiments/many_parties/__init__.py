"""Experiments of many parties: no grid of settings, outcomes bit-packed.

- ``schedules``: which settings the runs have, drawn from an expression's terms or few that cover all of them;
- ``plans``: which runs are in which PUB;
- ``experiment``: one parameterized circuit for all runs, on any V2 Sampler;
- ``setting_gates``: the gates that turn to the settings, also Clifford ones;
- ``simulators``: which method of Aer simulates an experiment, and a device's noise in a form that it takes;
- ``couplings``: qubits of a device, their couplings and reported errors;
- ``preparations``: circuits of GHZ and graph states in few layers.
"""
