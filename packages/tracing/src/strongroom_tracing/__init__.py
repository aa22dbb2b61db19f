"""Strongroom's tracing: it will follow and mark stolen funds. Placed here; the engine is built by a later issue."""
