"""Local, no-signaling and quantum bounds of Bell expressions."""
