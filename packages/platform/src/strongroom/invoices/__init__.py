"""A merchant's requests to be paid."""
