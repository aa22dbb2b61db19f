"""The treasury of an EVM chain: batches from the hot Safe, draws within the allowance, sweeps, gathered forwarders."""
