"""The HTTP side of the service: bodies, status codes, limits and errors, and no maths."""
