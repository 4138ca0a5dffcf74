"""Bell expressions of many parties: sums of correlators of which no table is ever made.

- ``base``: what every expression of many parties can do;
- ``sparse``: expressions given by a list of their terms;
- ``implicit``: expressions whose terms follow from a rule; ``symmetric``: those that do not change when parties are
  exchanged;
- ``known_bounds``: what is known of a family, with its source;
- ``operators``, ``texts``: Bell operators as sums of Paulis, and terms in words;
- ``ghz_families``: Mermin, Ardehali and Svetlichny expressions of any number of parties.
"""
