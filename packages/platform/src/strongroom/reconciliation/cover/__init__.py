"""The independent look at client money: what the books judge of themselves at every posting, by other means."""
