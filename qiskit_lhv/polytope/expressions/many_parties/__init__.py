"""Bell expressions of many parties: sums of correlators of which no table is ever made.

- ``base``: what every expression of many parties can do;
- ``sparse``: expressions given by a list of their terms.
"""
