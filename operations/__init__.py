"""What operators do on the host: look for trouble, back up, restore. Needs CPython 3.11 alone."""
