"""Tail probabilities, rounded up."""
