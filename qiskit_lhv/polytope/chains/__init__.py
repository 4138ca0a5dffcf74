"""Translation-invariant Bell inequalities of infinite chains, from the correlators of near neighbors.

- ``data``: states of near neighbors, and correlators of given settings;
- ``words``: sequences of strategies as walks on a graph;
- ``mean_cycles``: the largest mean of a cycle of that graph, in integers;
- ``models``: mixtures of periodic sequences of strategies;
- ``inequality``: coefficients with their local bound per site;
- ``threshold``: the visibility up to which correlators are local, with both proofs;
- ``settings``: settings for given states, by alternating with the inequality.
"""
