"""How any watcher records: the event log, the lock of its one writer, and what it says of itself."""
