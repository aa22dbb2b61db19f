"""The adapter for bitcoin-likes."""
