"""Signaling: tests of it, its size, and what it may explain.

- ``no_signaling_tests``, ``homogeneity``: whether marginals depend on another party's setting, and by how much
- ``amounts``: how much signaling a local model needs, and how much of it marginals show
- ``allowance``, ``allowance_limits``: whether a violation exceeds what signaling can explain
- ``swapped_bits``: signaling that comes from bits in another order
"""
