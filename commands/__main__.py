"""`python -m commands run iris`: where every command begins and ends."""

import sys
from collections.abc import Sequence
from importlib import import_module

from commands.console import CONSOLE
from serving.runtime.errors import MLAssetsError

COMMANDS = ("run", "serve")
FAILED, INTERRUPTED = 1, 130


def main(arguments: Sequence[str]) -> int:
    """Hands the arguments to the command that they begin with.

    Returns:
        The exit status: 0, 1 for an error that was told in a sentence, 130 for Ctrl-C.
    """
    name, *rest = arguments or [""]
    if name not in COMMANDS:
        sys.exit(f"usage: python -m commands {{{','.join(COMMANDS)}}} ...")
    try:
        import_module(f"commands.{name}").main(rest)  # the import takes seconds: Ctrl-C may come
    except MLAssetsError as error:
        CONSOLE.print(f"[bold red]error:[/] {error}", soft_wrap=True)
        return FAILED
    except KeyboardInterrupt:
        CONSOLE.print("stopped; nothing is left half-done. Start again whenever you like.")
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
