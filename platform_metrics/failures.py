"""What can be wrong with a source of figures."""


class SourceError(Exception):
    """A source does not answer, or says what can't be read; the message tells which and why."""
