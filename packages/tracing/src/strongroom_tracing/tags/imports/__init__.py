"""Readers of other people's lists; each gives tags and says which lines it could not read."""
