"""Facts of the chains."""
