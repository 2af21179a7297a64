"""Dagster's storage; every process with Dagster's instance imports it."""
