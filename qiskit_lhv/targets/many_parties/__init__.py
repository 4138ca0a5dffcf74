"""Shots of many parties, bit-packed: no table of settings and outcomes is ever made.

- ``runs``: rows of settings and terms, and their checks;
- ``shots``: the record, and what is read off it;
- ``reading``: bits and counts as Qiskit returns them;
- ``parities``: products of outcomes, and correlators with their errors;
- ``term_rows``, ``term_values``: lists of correlators, and their values;
- ``term_expectations``, ``term_tables``: their exact values in a state, or from probabilities.
"""
