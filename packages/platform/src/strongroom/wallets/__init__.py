"""Key sets and their addresses."""
