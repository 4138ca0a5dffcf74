"""Counts and trials as people have them: names of settings, spellings of outcomes, tables, results of Qiskit, files."""
