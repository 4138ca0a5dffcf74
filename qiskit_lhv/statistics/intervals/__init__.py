"""Confidence limits and regions."""
