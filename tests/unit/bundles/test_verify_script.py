"""verify.sh in the hands of a customer: its options, the shells that run it, odd surroundings."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.bundle_cases import KEPT, Bundle, reason_of, run_script

SHELLS = ["sh", "bash", "bash --posix", "dash", "busybox sh"]


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A directory of busybox's tools, and openssl, which it has not."""
    if not (busybox := shutil.which("busybox")):
        pytest.skip("busybox is not here")
    place = tmp_path / "tools"
    place.mkdir()
    subprocess.run([busybox, "--install", "-s", place], check=True)
    (place / "openssl").unlink(missing_ok=True)
    (place / "openssl").symlink_to(str(shutil.which("openssl")))
    return place


def test_its_own_copy_checks_the_directory_that_it_lies_in(made: Bundle, tmp_path: Path) -> None:
    options = ("--key", made.fingerprint)
    for script, place in {
        "./verify.sh": made.directory,
        "verify.sh": made.directory,
        "golden/../verify.sh": made.directory,
        str(made.directory / "verify.sh"): tmp_path,
    }.items():
        ended = run_script(script, *options, cwd=place)
        assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "OK"), script


def test_a_kept_copy_checks_the_directory_that_it_is_told(made: Bundle, tmp_path: Path) -> None:
    kept = shutil.copy(KEPT, tmp_path)
    assert run_script(kept, made.directory.name, cwd=made.directory.parent).returncode == 0
    assert reason_of(run_script(kept)) == "SHA256SUMS is missing\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_accepts_and_refuses(bundle: Bundle, shell: str) -> None:
    if not shutil.which(shell.split(maxsplit=1)[0]):
        pytest.skip(f"{shell} is not here")
    assert bundle.verify(by=shell).returncode == 0
    (bundle.directory / "added").touch()
    assert "added" in reason_of(bundle.verify(by=shell))
    (bundle.directory / "added").unlink()
    (bundle.directory / "service.md").write_text("x")
    assert "service.md" in reason_of(bundle.verify(by=shell))


def test_the_tools_of_a_small_system_will_do(bundle: Bundle, tools: Path) -> None:
    alone = {"PATH": str(tools)}
    assert bundle.verify(by=f"{tools}/sh", env=alone).returncode == 0
    (bundle.directory / "service.md").write_text("x")
    assert "service.md" in reason_of(bundle.verify(by=f"{tools}/sh", env=alone))


@pytest.mark.parametrize("name", ["with spaces  in it", "-rf", "$(touch x)", "a\nb", "*", "ä"])
def test_a_directory_may_have_any_name(made: Bundle, tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    shutil.copytree(made.directory, place)
    own = run_script(place / "verify.sh", "--key", made.fingerprint, cwd=tmp_path)
    told = run_script(KEPT, "--key", made.fingerprint, f"./{name}", cwd=tmp_path)
    assert (own.returncode, told.returncode) == (0, 0), own.stderr + told.stderr
    assert [*tmp_path.iterdir()] == [place]


@pytest.mark.parametrize(
    "options",
    [
        ["--key"],
        ["--key", ""],
        ["--key="],
        ["--version"],
        ["--version", ""],
        ["--kez", "x"],
        ["-"],
        ["--"],
        ["--golden=yes"],
        [""],
        ["one", "two"],
    ],
)
def test_a_wrong_option_checks_nothing_and_shows_the_right_ones(
    made: Bundle, options: list[str]
) -> None:
    for place, script in [(made.directory, "verify.sh"), (made.directory.parent, KEPT)]:
        ended = run_script(script, *options, cwd=place)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.startswith("usage: verify.sh [--key FINGERPRINT]")


@pytest.mark.parametrize(
    "surroundings",
    [
        {
            "key": "x",
            "version": "x",
            "is_asked": "false",
            "golden": "true",
            "tools": "none",
            "directory": "/",
            "container": "x",
        },
        {"IFS": "5abc/."},
        {"CDPATH": "/usr:/"},
        {"LC_ALL": "tr_TR.UTF-8", "LANG": "de_DE.UTF-8", "LANGUAGE": "de"},
        {"TAR_OPTIONS": "--exclude=*"},
        {"POSIXLY_CORRECT": "1"},
        {"ENV": "/dev/null", "fingerprint": "x", "listed": "x", "found": "x", "loaded": "x"},
    ],
    ids=lambda given: next(iter(given)),
)
def test_surroundings_change_nothing(made: Bundle, surroundings: dict[str, str]) -> None:
    ended = made.verify(env={**os.environ, **surroundings})
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "OK"), ended.stderr
    assert made.fingerprint in ended.stdout


@pytest.mark.parametrize("path", [".:{}", "{}:", "{}::/bin", ":{}", "{}:bin", "{}:golden/."])
def test_tools_are_not_taken_from_the_release(bundle: Bundle, path: str) -> None:
    path = path.format(os.environ["PATH"])
    assert reason_of(bundle.verify(env={"PATH": path})).startswith("PATH has relative directories")


def test_a_tool_for_digests_is_needed_and_either_will_do(bundle: Bundle, tools: Path) -> None:
    sums = tools / "sha256sum"
    target = sums.readlink()
    sums.unlink()
    ended = bundle.verify(by=f"{tools}/sh", env={"PATH": str(tools)})
    assert reason_of(ended) == "there is no sha256sum, and no shasum, to check the release with\n"
    (tools / "shasum").write_text(f'#!{tools}/sh\nshift 2; exec {target} sha256sum "$@"\n')
    (tools / "shasum").chmod(0o755)
    assert bundle.verify(by=f"{tools}/sh", env={"PATH": str(tools)}).returncode == 0


@pytest.mark.parametrize("version", ["3", "v3"])
def test_the_version_that_is_expected_is_accepted(made: Bundle, version: str) -> None:
    assert made.verify("--version", version).returncode == 0


@pytest.mark.parametrize("version", ["2", "33", "4"])
def test_another_version_than_the_expected_one_is_refused(made: Bundle, version: str) -> None:
    reason = reason_of(made.verify("--version", version))
    assert reason == f"this is version 3 of oven, and not version {version}\n"


@pytest.mark.parametrize("version", ["v", ".", "*", "3 ", "v3.0"])
def test_what_is_no_version_checks_nothing(made: Bundle, version: str) -> None:
    ended = made.verify("--version", version)
    told = (2, "", "a version is a number, such as 3\n")
    assert (ended.returncode, ended.stdout, ended.stderr) == told


@pytest.mark.parametrize("form", ["{}", "sha256:{}", "SHA256:{}", "{}  -", " {}"])
def test_a_fingerprint_may_be_copied_with_what_stands_around_it(made: Bundle, form: str) -> None:
    for fingerprint in (made.fingerprint, made.fingerprint.upper()):
        ended = run_script(KEPT, "--key", form.format(fingerprint), str(made.directory))
        assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "OK"), ended


@pytest.mark.parametrize("key", ["x", "1234", "0" * 65, " "])
def test_what_is_no_fingerprint_checks_nothing(made: Bundle, key: str) -> None:
    ended = run_script(KEPT, "--key", key, str(made.directory))
    told = (2, "", "a fingerprint is 64 of the characters 0-9 and a-f\n")
    assert (ended.returncode, ended.stdout, ended.stderr) == told


def test_a_directory_that_is_not_there_is_told(made: Bundle) -> None:
    ended = run_script(KEPT, "--key", made.fingerprint, "/nowhere")
    assert reason_of(ended) == "there is no directory /nowhere\n"


def test_what_is_no_key_is_told(bundle: Bundle) -> None:
    (bundle.directory / "key.pub").write_text("no key")
    assert reason_of(bundle.verify()) == "key.pub is no public key\n"


def test_no_name_passes_for_a_line_of_ours(bundle: Bundle) -> None:
    (bundle.directory / "a\nOK").write_text("")
    ended = bundle.verify()
    assert ended.returncode == 1
    assert "OK" not in (ended.stdout + ended.stderr).splitlines()


def a_docker(tools: Path, *lines: str) -> dict[str, str]:
    """An environment in which `docker` does this."""
    (tools / "docker").write_text("\n".join((f"#!{tools}/sh", *lines, "")))
    (tools / "docker").chmod(0o755)
    return {"PATH": str(tools)}


def test_docker_that_can_not_be_asked_is_told_and_stops_nothing(
    bundle: Bundle, tools: Path
) -> None:
    told = f"NOT CHECKED: whether Docker has another image of the name {bundle.facts.image}. "
    for env in ({"PATH": str(tools)}, a_docker(tools, "exit 1")):
        ended = bundle.verify(by=f"{tools}/sh", env=env)
        assert (ended.returncode, told in ended.stdout) == (0, True), ended
    ended = bundle.verify(by=f"{tools}/sh", env=a_docker(tools, "exit 0"))
    assert (ended.returncode, told in ended.stdout) == (0, False), ended


def by_hand(bundle: Bundle) -> list[str]:
    """What the commands say that the bundle's own page tells to do by hand."""
    _, _, rest = (
        (bundle.directory / "README.md").read_text().partition("hand what counts:\n\n```sh\n")
    )
    commands, _, _ = rest.partition("```")
    assert commands
    said = subprocess.run(
        ["sh", "-c", commands], cwd=bundle.directory, capture_output=True, text=True, check=False
    )
    return (said.stdout + said.stderr).splitlines()


def test_what_the_page_tells_to_do_by_hand_is_enough(bundle: Bundle) -> None:
    right = [f"{bundle.fingerprint}  -", "Verified OK", "SHA256SUMS", "SHA256SUMS.sig"]
    assert by_hand(bundle) == right
    (bundle.directory / "compose.yaml").write_text("services: {}")
    (bundle.directory / "golden" / "link").symlink_to("/")
    (bundle.directory / ".env").write_text("PORT=80")
    found = {*by_hand(bundle)} - {*right}
    assert found == {"compose.yaml", "golden/link", "./golden/link", ".env"}
    (bundle.directory / "SHA256SUMS.sig\n").write_text("hidden by its name")
    assert "./SHA256SUMS.sig" in by_hand(bundle)
    (bundle.directory / "README.md").open("a").write("x")
    assert "README.md: FAILED" in by_hand(bundle)


@pytest.mark.parametrize("tool", ["openssl", "tar", "grep", "find", "wc"])
def test_a_tool_that_is_not_here_is_named(bundle: Bundle, tools: Path, tool: str) -> None:
    (tools / tool).unlink()
    ended = bundle.verify(by=f"{tools}/sh", env={"PATH": str(tools)})
    assert reason_of(ended) == f"there is no {tool} to check the release with\n"


def test_an_image_of_nobody_knows_whom_is_not_run(made: Bundle) -> None:
    ended = run_script(KEPT, "--golden", str(made.directory))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--golden runs the image: say whose you trust, with --key" in ended.stderr


def test_golden_requests_need_docker(bundle: Bundle, tools: Path) -> None:
    ended = bundle.verify("--golden", by=f"{tools}/sh", env={"PATH": str(tools)})
    assert reason_of(ended) == "there is no docker to check the release with\n"


@pytest.mark.parametrize(
    "contact", ['"', '",\n  "image": "evil:latest', '\\", "image_id": "x', "a'b$(touch x)`id`"]
)
def test_no_text_of_the_release_passes_for_another_fact(bundle: Bundle, contact: str) -> None:
    path = bundle.directory / "release.json"
    told = json.loads(path.read_text()) | {"support_contact": contact}
    path.write_text(json.dumps(told, indent=2, sort_keys=True))
    ended = bundle.signed().verify()
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(f"oven v3, image {bundle.facts.image_digest}\n")


def test_a_development_key_is_called_one(bundle: Bundle) -> None:
    assert "DEVELOPMENT" not in bundle.verify().stdout
    path = bundle.directory / "release.json"
    path.write_text(path.read_text().replace('key": false', 'key": true'))
    assert "a DEVELOPMENT key: it proves nothing" in bundle.signed().verify().stdout
