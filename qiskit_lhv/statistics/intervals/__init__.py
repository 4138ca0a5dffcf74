"""Confidence limits and regions.

- ``clopper_pearson``: limits of single probabilities
- ``expression_values``, ``chsh_values``: values of Bell expressions with their errors
- ``threshold_estimates``: nonlocality thresholds and local weights with their intervals
- ``confidence_regions``: regions of behaviors that lie inside the local set
- ``absorbing_noise``: how much white noise makes up for the errors of estimated correlations
"""
