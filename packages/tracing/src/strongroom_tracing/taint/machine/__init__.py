"""The compiled machine that follows taint through chain txs, in chain order."""
