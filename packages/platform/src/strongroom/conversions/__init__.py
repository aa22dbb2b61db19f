"""Conversion between assets (a later issue)."""
