"""`make restore`: a backup is verified, and then put into an empty platform."""
