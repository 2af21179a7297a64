"""Ctrl-C at a moment when Python can't pass an exception on."""

import signal
import sys
import time

import pytest

from ml_assets.resources.interrupts import DAGSTERS_INTERRUPT, lasting_interrupts

SECONDS = 10


class _Finalised:
    """Ctrl-C comes while it is finalised."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def _work() -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(0.01)
    pytest.fail("the interrupt was lost")


def test_interrupt_in_a_finaliser_is_raised_again() -> None:
    with pytest.raises(KeyboardInterrupt), lasting_interrupts():
        _Finalised()
        _work()


def test_interrupt_of_dagster_in_a_finaliser_is_raised_again() -> None:
    interrupt = type(DAGSTERS_INTERRUPT, (BaseException,), {})

    def raise_interrupt(*_: object) -> None:
        raise interrupt

    before = signal.signal(signal.SIGINT, raise_interrupt)
    try:
        with pytest.raises(interrupt), lasting_interrupts():
            _Finalised()
            _work()
    finally:
        signal.signal(signal.SIGINT, before)


def test_error_after_a_discarded_interrupt_is_the_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), lasting_interrupts():
        _Finalised()
        raise ValueError


def test_interrupt_at_the_very_end_counts() -> None:
    with pytest.raises(KeyboardInterrupt), lasting_interrupts():
        _Finalised()


def test_errors_of_their_own_pass() -> None:
    with pytest.raises(ValueError, match="mine"), lasting_interrupts():
        raise ValueError("mine")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_all_is_as_before_afterwards() -> None:
    before = sys.unraisablehook, signal.getsignal(signal.SIGALRM), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), lasting_interrupts():
        _Finalised()
    after = sys.unraisablehook, signal.getsignal(signal.SIGALRM), signal.getsignal(signal.SIGINT)
    assert after == before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_other_discarded_errors_are_reported_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda one: reported.append(one.exc_type))

    class Broken:
        def __del__(self) -> None:
            raise OSError

    with lasting_interrupts():
        Broken()
    assert reported == [OSError]
