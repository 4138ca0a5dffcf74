"""Checks that share no code with the solvers that found what they check.

Everything here is exact: weights and coefficients are taken as the rational numbers that their floats are, and compared
in integer or rational arithmetic. The algorithms differ on purpose from those of the solvers, so that one mistake
cannot hide in both.

- ``result``, ``verdict``, ``evidence``: the answers, and the base of all evidence
- ``local_bounds``, ``branches``: local bounds, by a list of strategies or by branch and bound
- ``eliminations``, ``symmetric_bounds``, ``chain_bounds``, ``sign_patterns``: local bounds of many parties
- ``models``: deterministic models; ``terms``: listed correlators of models
- ``padding``, ``rationals``: tables and numbers that the checks share
- ``projective``, ``hidden_states``, ``positivity``: states under all projective measurements
- ``mean_bounds``, ``games``, ``setting_numbers``, ``signaling_limits``: the statistics of counts
- ``remembered_checks``: a memory of checks that take seconds
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
