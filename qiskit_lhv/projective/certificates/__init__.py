"""Proofs that a state is local for all projective measurements."""
