"""Evidence against all local models: e-values, games, and their combination."""
