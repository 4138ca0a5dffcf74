"""Shots of many parties, bit-packed: no table of settings and outcomes is ever made.

- ``shots``: the record, and what is read off it.
"""
