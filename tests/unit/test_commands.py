"""The door of all commands: what it says, and with which status it ends."""

import sys
import types

import pytest

from commands.__main__ import main
from serving.runtime.errors import MLAssetsError


def _end_with(error: BaseException | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def command(arguments: list[str]) -> None:
        assert arguments == ["iris"]
        if error:
            raise error

    module = types.SimpleNamespace(main=command)
    monkeypatch.setitem(sys.modules, "commands.run", module)


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (None, 0, ""),
        (MLAssetsError("no such file"), 1, "error: no such file\n"),
        (KeyboardInterrupt(), 130, "stopped; nothing is left half-done. Start again whenever "),
    ],
)
def test_command_ends_with_a_sentence_and_a_status(
    error: BaseException | None,
    status: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _end_with(error, monkeypatch)
    assert main(["run", "iris"]) == status
    printed = capsys.readouterr().out
    assert printed.startswith(says)
    assert bool(printed) == bool(says)


def test_other_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    _end_with(ZeroDivisionError(), monkeypatch)
    with pytest.raises(ZeroDivisionError):
        main(["run", "iris"])


@pytest.mark.parametrize("arguments", [[], ["walk"]])
def test_unknown_command_lists_the_known_ones(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match=r"usage: python -m commands \{run,serve\}"):
        main(arguments)
