"""Tail probabilities, rounded up: of the binomial distribution, and of sums of independent bounded variables."""
