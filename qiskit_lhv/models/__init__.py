"""What explains a target: local models."""
