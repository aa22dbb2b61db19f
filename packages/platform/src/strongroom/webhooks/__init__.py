"""Facts delivered to merchants' servers."""
