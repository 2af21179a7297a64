"""Dagster's storage on the platform; every process with Dagster's instance imports it."""
