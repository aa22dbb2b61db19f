"""Screening of deposits (a later issue)."""
