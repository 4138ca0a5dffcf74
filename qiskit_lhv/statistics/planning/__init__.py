"""How many shots a test takes, and how to share them out."""
