import os

# Set before JAX is first imported, so that silent broadcasting is an error in the tests.
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")
