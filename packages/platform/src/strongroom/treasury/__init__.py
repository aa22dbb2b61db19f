"""Which coins pay what: batches, sweeps, the hot band."""
