"""Proofs from an EVM chain's own blocks: what forwarders swept, which transactions the hot Safe executed."""
