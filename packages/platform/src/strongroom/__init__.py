"""Strongroom: the platform. It holds no keys that move money, and nothing that it says does."""
