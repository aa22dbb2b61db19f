"""The REST API of merchants, one file per resource."""
