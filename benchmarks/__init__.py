"""Benchmarks: each prints a table that sets this project beside its targets and its peers."""
