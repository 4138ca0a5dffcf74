"""Signaling: tests of it, its size, and what it may explain."""
