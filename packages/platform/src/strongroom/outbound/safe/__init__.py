"""Money out on EVM chains: a slot is a Safe and a nonce, and both signers sign one Safe transaction for it."""
