"""Embedded components: a PostgreSQL and a Bitcoin node of our own, started and stopped by us."""
