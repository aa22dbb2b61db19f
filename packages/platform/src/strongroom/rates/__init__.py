"""Prices: sources, median, locks."""
