"""Bell expressions: families, normal forms, equivalence."""
