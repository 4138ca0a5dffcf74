"""Tests of what a p-value stands on: settings as declared, a stable device, one state."""
