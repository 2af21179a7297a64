"""Measures a candidate beside production and baselines, and judges it."""
