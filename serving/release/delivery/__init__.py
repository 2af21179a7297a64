"""Delivery: who gets which release, where, and what was handed over."""
