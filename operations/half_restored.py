"""A restore that was killed half way: how its volumes show it, and what people are told."""

MARKER = ".restore-unfinished"
"""A file in each volume of a restore that has not ended."""
TEXT = "a restore into this platform was killed half way"
MEND = "make down-volumes, then make restore FROM=... again"
SENTENCE = f"{TEXT}; {MEND}"
