"""Wire contracts of others that we speak (a later issue)."""
