"""Fits models, and searches their parameters."""
