"""Finite counts: fits, tests and evidence."""
