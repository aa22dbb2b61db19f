"""One file for each resource of /v1."""
