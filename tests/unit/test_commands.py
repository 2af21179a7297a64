"""The door of all commands: what it says, and with which status it ends."""

import os
import subprocess
import sys
import textwrap
import types

import pytest

from commands.__main__ import COMMANDS, MLFLOW_RETRIES, main
from commands.console import say
from commands.steps import progress
from serving.release.probe import free_ports
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
        (KeyboardInterrupt(), 130, "stopped; what was finished stays, and nothing is half-done. "),
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
    printed = "".join(capsys.readouterr())
    assert printed.startswith(says)
    assert bool(printed) == bool(says)


def test_a_command_that_asks_an_mlflow_that_is_away_soon_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"http://127.0.0.1:{free_ports(1)[0]}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    assert main(["models"]) == 1
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == MLFLOW_RETRIES
    assert f"MLflow at {address} does not answer; start the platform" in capsys.readouterr().err


def test_other_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    _end_with(ZeroDivisionError(), monkeypatch)
    with pytest.raises(ZeroDivisionError):
        main(["run", "iris"])


@pytest.mark.parametrize("arguments", [[], ["walk"]])
def test_unknown_command_lists_the_known_ones(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    usage = " ".join(capsys.readouterr().err.split())
    assert usage.startswith(f"usage: python -m commands {{{','.join(COMMANDS)}}}")


@pytest.mark.parametrize("command", [["serve", "iris"], ["ui"]])
@pytest.mark.parametrize("port", ["abc", "0", "99999", "-1"])
def test_wrong_port_is_told_in_a_line(
    command: list[str], port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*command, f"--port={port}"])
    assert f"{port!r} is not a port; take one from 1024 to 65535" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["column 'load [kw]' is missing", "data/[ab]*.csv", "[/x] [bold]"])
def test_text_of_users_is_printed_as_it_is(
    text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _end_with(MLAssetsError(text), monkeypatch)
    main(["run", "iris"])
    assert capsys.readouterr().err == f"error: {text}\n"
    say(text, title="[title] ")
    assert capsys.readouterr().out == f"[title] {text}\n"


def test_progress_with_brackets_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("bento", "building [/x]"):
        pass
    assert "bento            done" in capsys.readouterr().out


def test_stopped_command_does_not_wait_for_threads_that_never_end() -> None:
    code = """
        import threading
        from commands.__main__ import INTERRUPTED, _exit
        threading.Thread(target=threading.Event().wait).start()
        print("stopped")
        _exit(INTERRUPTED)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (130, "stopped\n")
