"""Containers of Dagster's runs: how they are started, cancelled, and cleared away."""
