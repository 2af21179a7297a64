"""How a command ends: its errors are sentences, and Ctrl-C leaves nothing half-done."""

import signal
from collections.abc import Callable, Sequence
from types import FrameType

from operations.errors import OperationsError
from operations.terminal import complain, note

FAILED, INTERRUPTED = 1, 130
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def ended(
    main: Callable[[Sequence[str]], None], arguments: Sequence[str], *, interrupted: str
) -> int:
    """Runs a command; SIGTERM and a closed terminal end it as Ctrl-C does.

    Args:
        main: The command.
        arguments: Its arguments.
        interrupted: What people are told after Ctrl-C.

    Returns:
        The exit status.
    """
    for number in SIGNALS:
        # Under nohup, for instance, a closed terminal is nothing to end for.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        main(arguments)
    except OperationsError as error:
        complain(error)
        return FAILED
    except KeyboardInterrupt:
        note(interrupted)
        return INTERRUPTED
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # Once: what follows is cleaning up.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
