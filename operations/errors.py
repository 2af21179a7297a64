"""What can go wrong, told in a sentence that says what to do."""


class OperationsError(Exception):
    """Something that the user can mend; the message says how."""


class CommandError(OperationsError):
    """A command has failed, is not installed, or does not end."""


class EngineAwayError(CommandError):
    """The Docker Engine can't be reached."""


class SettingsError(OperationsError):
    """The file .env, or a compose file, can't be read as Compose reads it."""
