"""Incoming on-chain payments and their states."""
