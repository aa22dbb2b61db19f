"""Incidents and recovery (a later issue)."""
