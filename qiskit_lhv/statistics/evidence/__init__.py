"""Evidence against all local models: e-values, games, and their combination.

- ``e_values``, made of ``stages`` (in which order shots are tested) and ``ratios`` (the factors and their bounds)
- ``combined_e_values``: products and averages of e-values
- ``games``: declared Bell expressions; ``combined_tests``: one p-value of an e-value and games
- ``standing_tests``: up to which predictability of the settings a result stands
- ``fair_sampling``: shots that were left out; ``false_discovery``: many tests at once
"""
