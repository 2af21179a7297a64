"""A restore that has not ended: how its volumes show it, and what people are told."""

MARKER = ".restore-unfinished"
"""A file in each volume of a restore that has not ended."""
TEXT = "a restore into this platform has not ended"
MEND = "wait while it runs; if it was killed, make down-volumes, then make restore FROM=... again"
SENTENCE = f"{TEXT}; {MEND}"
