"""Doctor tells what runs may not read or write, and what others may and should not."""

import json
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from operations.doctor.findings import Level
from operations.doctor.permissions import Permissions, group_of_socket, judge, open_files
from operations.inside.probe import first_denied, main

WELL = Permissions(
    socket="/var/run/docker.sock",
    socket_group=998,
    group="998",
    absent={},
    denied={},
    open=(),
    volumes={"state": "p-state"},
    paths={"DATA_DIR": "/data", "DELIVERY_DIR": "/out", "SIGNING_DIR": "/keys"},
)


def test_rights_as_they_must_be_are_well() -> None:
    assert [one.level for one in judge(WELL)] == [Level.OK]


@pytest.mark.parametrize(
    ("wrong", "words", "mend"),
    [
        (replace(WELL, group="0"), "belongs to the group 998", "in .env: DOCKER_GID=998"),
        (replace(WELL, absent={"DATA_DIR": "/data"}), "is not there", "mkdir -p /data"),
        (replace(WELL, absent={"CUSTOMERS_FILE": "/c"}), "is not there", "touch /c"),
        (replace(WELL, denied={"DATA_DIR": "/a.csv"}), "can't read /data/a.csv", "chmod -R a+rX"),
        (replace(WELL, denied={"DELIVERY_DIR": ""}), "can't write /out", "chgrp -R 998 /out"),
        (
            replace(WELL, denied={"SIGNING_DIR": "/k"}),
            "can't read /keys/k",
            "chmod -R g+rX /keys/k",
        ),
        (
            replace(WELL, denied={"state": "/x"}),
            "in the volume p-state",
            "-c 'chown -R 1000:0 /mnt && chmod -R u+rwX,g+rwX /mnt'",
        ),
        (replace(WELL, open=["/keys/k"]), "everybody on this machine can read", "chmod o-rwx"),
    ],
)
def test_what_is_wrong_is_told_with_the_command_that_mends_it(
    wrong: Permissions, words: str, mend: str
) -> None:
    (one,) = judge(wrong)
    assert one.level is Level.PROBLEM
    assert words in one.text
    assert mend in one.mend


def test_nothing_is_ever_opened_to_everybody_for_writing() -> None:
    every = replace(
        WELL,
        denied=dict.fromkeys([*WELL.paths, "state"], "/x"),
        absent={"SCAN_DIR": "/s"},
        open=["/k"],
    )
    assert not [one for one in judge(every) if "777" in one.mend or "o+w" in one.mend]


def test_where_the_socket_is_another_machines_its_group_is_not_compared(tmp_path: Path) -> None:
    assert judge(replace(WELL, socket_group=None, group="0"))[0].level is Level.OK
    assert group_of_socket(tmp_path / "missing") is None


def test_the_group_of_a_socket_is_read(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        assert group_of_socket(path) == path.stat().st_gid


def test_a_key_is_open_if_everybody_can_get_at_it(tmp_path: Path) -> None:
    key, public = tmp_path / "release.key", tmp_path / "release.pub"
    key.write_text("secret")
    key.chmod(0o644)
    assert open_files(key) == [str(key)]
    public.write_text("public")
    tmp_path.chmod(0o755)
    key.chmod(0o644)
    assert open_files(tmp_path) == [str(key)]
    key.chmod(0o640)
    assert open_files(tmp_path) == []
    key.chmod(0o644)
    tmp_path.chmod(0o750)
    assert open_files(tmp_path) == []


def test_the_probe_finds_the_first_path_without_a_right(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").touch()
    assert first_denied(str(tmp_path), os.R_OK) is None
    assert first_denied(str(tmp_path / "missing"), os.R_OK) == str(tmp_path / "missing")


def test_the_probe_tells_which_ports_answer() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        asked = {"reach": [["127.0.0.1", port], ["no-such-name.invalid", 1]]}
        told = json.loads(main(json.dumps(asked)))["reach"]
    assert told == [None, "its name is not known"]
    (closed,) = json.loads(main(json.dumps({"reach": [["127.0.0.1", port]]})))["reach"]
    assert closed == "Connection refused"


def test_a_restore_that_has_not_ended_is_told_and_rights_within_it_are_not() -> None:
    denied = {"state": "/x", "DATA_DIR": "/a.csv"}
    unfinished, data = judge(replace(WELL, denied=denied, is_half_restored=True))
    assert unfinished.text == "a restore into this platform has not ended"
    assert unfinished.mend.endswith("make down-volumes, then make restore FROM=... again")
    assert "/data/a.csv" in data.text


def test_the_probe_tells_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    asked = {"there": [str(tmp_path / name) for name in ("a", "b")]}
    assert json.loads(main(json.dumps(asked)))["there"] == [True, False]
