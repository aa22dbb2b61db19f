"""The database's schema: numbered SQL files, applied in order."""
