"""Tags: who says what of an address, since when, how surely, and under which licence."""
