"""The marks of a case: what was reported stolen, by whom, in which order."""
