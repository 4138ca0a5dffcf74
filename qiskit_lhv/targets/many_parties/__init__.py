"""Shots of many parties, bit-packed: no table of settings and outcomes is ever made.

- ``shots``: the record;
- ``parities``: products of outcomes, and correlators with their errors.
"""
