"""How near an output is to marks and tags: its own, its cluster's, and those of where its money came from."""
