"""Books, chain and signer journals, compared: every difference is named."""
