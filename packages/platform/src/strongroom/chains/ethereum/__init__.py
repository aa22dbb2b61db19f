"""EVM chains: several endpoints that have to agree, logs and traces as facts, and a client for the rest."""
