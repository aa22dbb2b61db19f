"""Strongroom: signer."""
