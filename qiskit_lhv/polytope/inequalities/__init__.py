"""Bell inequalities: expressions with a proven local bound, facets, records."""
