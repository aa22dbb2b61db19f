"""What the commands of `strongroom` do, one file per kind."""
