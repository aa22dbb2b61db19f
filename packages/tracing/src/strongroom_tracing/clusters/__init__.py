"""Which addresses belong together: multi-input clusters with their reasons, CoinJoins, change, peeling chains."""
