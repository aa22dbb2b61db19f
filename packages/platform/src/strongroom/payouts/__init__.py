"""Outgoing payments that merchants ask for."""
