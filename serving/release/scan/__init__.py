"""Compares the packages of an image with a database of advisories, offline."""
