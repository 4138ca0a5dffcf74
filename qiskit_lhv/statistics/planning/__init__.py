"""How many shots a test takes, and how to share them among the settings.

- ``evidence_rates``: the evidence that a trial is expected to give
- ``allocation``, ``minimax``: the shares of the settings that give most of it
- ``shot_plans``: how many shots a p-value takes, by simulated runs
- ``many_party_plans``: the same for declared expressions of many parties
- ``expected_evidence``, ``advice``: what a new run can be expected to reach after a test
"""
