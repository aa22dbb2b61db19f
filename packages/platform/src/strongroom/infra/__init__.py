"""Database, outbox, loops, settings, stops, telemetry, clock."""
