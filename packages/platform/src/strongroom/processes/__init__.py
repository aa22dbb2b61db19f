"""The programs that run: wiring only."""
