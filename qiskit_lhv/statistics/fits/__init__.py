"""The local models that fit counts best."""
