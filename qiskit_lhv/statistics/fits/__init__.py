"""The local models that fit counts best.

- ``local_fit``: the fit of one table with a duality gap; it chooses among the three methods that follow
- ``mixtures``: weights of all strategies, for many tables at once
- ``conditional_fits``, ``conditional_interior_point``: answers of one party to all strategies of the others
- ``generated_fits``: the same with those strategies of the others that matter
- ``response_fits``, ``response_maps``: approximate fits of many tables, for the factors of e-values
- ``approximate_projections``: approximate projections of many tables onto the no-signaling behaviors, likewise
- ``model_comparison``: local, no-signaling and unrestricted fits beside each other
"""
