"""The record of what was promoted, released, delivered and rolled back, and what it tells."""
