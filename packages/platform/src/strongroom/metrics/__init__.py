"""Gauges for Prometheus: few, each with a few labels, read from the database by the role that may read everything."""
