"""Strongroom's tracing: where stolen money is now, exactly. It works alone and knows nothing of the platform."""
