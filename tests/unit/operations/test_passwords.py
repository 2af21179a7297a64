"""Doctor tells which passwords are weak, and whether others can read them; it shows none."""

from pathlib import Path

import pytest

from operations.doctor.findings import Finding, Level
from operations.doctor.passwords import gather, judge
from tests.unit.operations.cases import make_project

STRONG = "3f9c1a7be2d84056"


def found(root: Path, env: str, *, mode: int = 0o600) -> list[Finding]:
    project = make_project(root, env)
    (root / ".env").chmod(mode)
    return judge(gather(project))


def test_strong_passwords_for_ones_own_eyes_are_well(tmp_path: Path) -> None:
    (one,) = found(tmp_path, f"MLFLOW_DB_PASSWORD={STRONG}\nGRAFANA_PASSWORD=s{STRONG}\n")
    assert (one.level, one.text[:16]) == (Level.OK, "2 passwords are ")


def test_before_the_first_start_there_are_none(tmp_path: Path) -> None:
    assert [one.level for one in judge(gather(make_project(tmp_path)))] == [Level.OK]


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("admin", "is one that everybody tries first"),
        ("mlflow_password", "is one that everybody tries first"),
        ("Postgres", "is one that everybody tries first"),
        ("grafana", "is one that everybody tries first"),
        ("x7Kp2m", "has 6 characters; 12 are the least"),
        ("abababababababab", "repeats a few characters"),
    ],
)
def test_a_weak_password_is_a_problem_in_production(
    tmp_path: Path, password: str, why: str
) -> None:
    (one,) = found(tmp_path, f"GRAFANA_PASSWORD={password}\n")
    assert (one.level, one.text) == (Level.PROBLEM, f"GRAFANA_PASSWORD {why}")


def test_the_key_of_the_metrics_is_one_too_and_the_name_of_a_keys_file_is_none(
    tmp_path: Path,
) -> None:
    (one,) = found(tmp_path, "API_METRICS_KEY=short\nSIGNING_KEY=cosign.key\n", mode=0o600)
    assert one.text == "API_METRICS_KEY has 5 characters; 12 are the least"


def test_in_a_checkout_it_is_a_warning_whatever_env_says_of_it(tmp_path: Path) -> None:
    local = "docker-compose.local.yml"
    (tmp_path / local).write_text("services: {grafana: {environment: {APP_ENV: development}}}\n")
    (one,) = found(
        tmp_path,
        f"COMPOSE_FILE=docker-compose.yml:{local}\nAPP_ENV=production\nGRAFANA_PASSWORD=admin\n",
    )
    assert one.level is Level.WARNING


def test_elsewhere_it_is_a_problem_whatever_env_says_of_it(tmp_path: Path) -> None:
    (one,) = found(tmp_path, "APP_ENV=development\nGRAFANA_PASSWORD=admin\n")
    assert one.level is Level.PROBLEM


def test_a_file_that_others_can_read_is_a_problem(tmp_path: Path) -> None:
    (one,) = found(tmp_path, f"GRAFANA_PASSWORD={STRONG}\n", mode=0o640)
    assert (one.level, one.mend) == (Level.PROBLEM, "chmod 600 .env")


def test_a_databases_password_that_no_address_can_hold_is_a_problem(tmp_path: Path) -> None:
    (one,) = found(tmp_path, f"MLFLOW_DB_PASSWORD={STRONG}@/\n")
    assert "can't stand in the address of a database" in one.text
    assert "\\password mlflow" in one.mend


def test_no_password_is_shown(tmp_path: Path) -> None:
    env = f"MLFLOW_DB_PASSWORD={STRONG}@\nGRAFANA_PASSWORD=x7Kp2m\nFEAST_DB_PASSWORD=aaaaaaaaaaaa\n"
    for one in found(tmp_path, env, mode=0o644):
        assert all(secret not in f"{one}" for secret in (STRONG, "x7Kp2m", "aaaaaaaaaaaa"))
