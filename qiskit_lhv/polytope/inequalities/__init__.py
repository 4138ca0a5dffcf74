"""Bell inequalities: expressions with a proven local bound, facets of local polytopes, and record inequalities."""
