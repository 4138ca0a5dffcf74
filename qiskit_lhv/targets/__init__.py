"""What is to be explained: behaviors, counts and correlation tensors."""
