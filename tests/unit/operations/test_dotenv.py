"""The file .env is read as Compose reads it (tests/docker/test_doctor.py asks Compose itself)."""

import subprocess
from pathlib import Path

import pytest

from operations.dotenv import parse
from operations.errors import SettingsError


def values(text: str, **environment: str) -> dict[str, str | None]:
    return {one.name: one.value for one in parse(text, environment)}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=x", "x"),
        ("export A=x", "x"),
        ("  A = x  ", "x"),
        ("A=x # why", "x"),
        ("A=x#y", "x#y"),
        ("A='$B # y'", "$B # y"),
        ('A="two # words" # why', "two # words"),
        ('A="a\\nb"', "a\nb"),
        ("A='a\nb'", "a\nb"),
        ("A=a=b", "a=b"),
        ("A=", ""),
        ("A=x\r\n", "x"),
    ],
)
def test_a_value_is_what_compose_takes_it_for(line: str, value: str) -> None:
    assert values(f"# first\n\n{line}\nLAST=1") == {"A": value, "LAST": "1"}


def test_variables_are_expanded_and_the_environment_comes_first() -> None:
    text = "A=1\nB=${A}-$A-${C:-none}-${A:-never}\nA2='$A'\nD=a$$b"
    assert values(text, A="2") == {"A": "1", "B": "2-2-none-2", "A2": "$A", "D": "a$b"}


def test_a_name_alone_has_the_value_of_the_environment() -> None:
    assert values("A\nB=1") == {"A": None, "B": "1"}


@pytest.mark.parametrize("line", ["two words=x", "=x", "A='never closed", "p$ssword"])
def test_what_compose_refuses_is_told_with_its_line_and_without_a_value(line: str) -> None:
    with pytest.raises(SettingsError, match=r"\.env, line 2: ") as refused:
        parse(f"A=1\n{line}hunter2")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "line", ["A=x", "A= x", "A=x  ", "A=x # y", "A=x#y", 'A="x"', "A='x'", "A=a b"]
)
def test_what_make_takes_a_value_for_is_known(line: str, tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(f"{line}\n$(file >told,[$(A)])\nall: ;\n")
    subprocess.run(["make", "-s", "-C", tmp_path], check=True, capture_output=True)
    assert (tmp_path / "told").read_text() == f"[{parse(line)[0].as_make}]\n"
