"""Lists, tags and marks from tracing (a later issue)."""
