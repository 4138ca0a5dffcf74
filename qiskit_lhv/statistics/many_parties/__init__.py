"""Statistics of many parties, without a table of settings and outcomes.

- ``scores``: what each run scores under a declared expression;
- ``bounded_scores``: the probability of a sum of scores under local models, and bets on it;
- ``declared_tests``: the p-value and the e-value of a declared expression;
- ``recorded_sums``: whether what a test records can come from an experiment;
- ``drawn_settings``: whether the terms came as often as declared;
- ``signaling``: whether marginals of one or two parties depend on the settings of others;
- ``allowance``: up to which strength of hidden influences a result stands;
- ``bounds``: the proven local bound on which a test rests;
- ``reach``: up to how many parties there is a violation;
- ``depth``: how many parties must communicate.
"""
