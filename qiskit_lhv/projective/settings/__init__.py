"""Settings at which a state is nonlocal, with the inequality that it violates."""
