"""``strongroom-trace``: what an investigator types."""
