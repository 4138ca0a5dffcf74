"""The JAX optimizer: find a local model by gradient descent."""
