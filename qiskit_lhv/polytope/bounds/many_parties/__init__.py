"""Local bounds of expressions of many parties, by their structure instead of a list of strategies.

- ``integer_terms``: terms as sets of signs with whole-number coefficients;
- ``tree_decompositions``: in which order signs are eliminated, and what that takes;
- ``elimination``: the largest value by elimination of one sign after the other;
- ``symmetric_strategies``: the largest value where all parties are alike, by counting;
- ``group_bounds``: bounds of GHZ expressions for groups of parties that communicate inside;
- ``chains``, ``per_site``: the largest value of a chain that repeats its terms, of any length, and per site;
- ``sign_patterns``: the largest value of few terms of any number of parties;
- ``programs``: upper bounds where an exact one is out of reach, by parts;
- ``rational_bounds``: the base of bounds that are rational numbers;
- ``structural_bounds``: the bound as a result, with its proof.
"""
