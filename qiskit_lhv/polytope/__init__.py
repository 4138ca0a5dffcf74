"""Exact answers: local bounds, Bell inequalities and visibility thresholds."""
