"""Attacks on the running platform, and the take measured from the chain and the books."""
