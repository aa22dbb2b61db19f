"""Account chains: an index of transfers, and taint by lots of every address and asset, under five policies."""
