"""Relabelings that leave a behavior unchanged, and what they save."""
