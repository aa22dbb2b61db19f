"""Every chain tx that we send, from plan to final."""
