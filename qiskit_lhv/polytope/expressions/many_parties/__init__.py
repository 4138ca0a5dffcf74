"""Bell expressions of many parties: sums of correlators of which no table is ever made.

- ``base``: what every expression of many parties can do;
- ``sparse``: expressions given by a list of their terms;
- ``implicit``: expressions whose terms follow from a rule; ``symmetric``: those that do not change when parties are
  exchanged; ``chains``: those that are the same at every site;
- ``known_bounds``: what is known of a family, with its source; ``measured``: expressions with their measurements;
- ``operators``, ``texts``, ``graphs``: Bell operators as sums of Paulis, terms in words, graphs as users have them;
- ``ghz_families``: Mermin, Ardehali and Svetlichny expressions of any number of parties;
- ``two_body``: sums over the edges of a graph, and over all pairs alike; ``hamiltonians``: from sums of Paulis;
- ``stabilizers``, ``graph_states``: all elements of a graph state's stabilizer, and inequalities of some of them.
"""
