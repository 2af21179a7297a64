"""`make backup` and `make restore`: all state of a platform, in a directory."""
