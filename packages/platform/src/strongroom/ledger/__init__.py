"""The books: double entry in PostgreSQL."""
