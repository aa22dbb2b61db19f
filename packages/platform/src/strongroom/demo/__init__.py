"""The demonstration: an environment of its own, its shopper, its merchant, its story."""
