"""`make doctor`: what is wrong with the platform, and the command that mends it."""
