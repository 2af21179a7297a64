"""Are passwords one's own, strong, and kept from others?"""

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass

from operations.doctor.findings import Finding, in_env, ok, problem, warning
from operations.errors import SettingsError
from operations.project import Project

SECRET = re.compile(r"PASSWORD$|TOKEN$|SECRET|METRICS_KEY$")
"""Not all keys: SIGNING_KEY is the name of a file."""
IN_ADDRESSES = re.compile(r"POSTGRES_PASSWORD|\w+_DB_PASSWORD")
"""Passwords that stand in the address of a database."""
DEFAULTS = frozenset(
    {
        *("admin", "administrator", "changeme", "change_me", "dagster", "default", "example"),
        *("feast", "grafana", "letmein", "minioadmin", "ml", "ml-assets", "mlflow", "pass"),
        *("password", "password123", "postgres", "qwerty", "root", "secret", "test", "user"),
        *("mlflow_password", "12345678", "123456789", "1234567890"),
    }
)
SHORTEST = 12
LEAST_DIFFERENT = 5
A_PASSWORD = "$(openssl rand -hex 24)"  # noqa: S105  a command that makes one
DEVELOPMENT = re.compile(r"APP_ENV: *development\b")
"""What the compose files of a checkout set."""


@dataclass(frozen=True)
class Passwords:
    """Passwords in the settings, and who can read their file.

    Attributes:
        values: Passwords by their names; never shown.
        is_development: Whether the platform is one to develop on, by its compose files.
        mode: Permissions of .env; None if there is none.
    """

    values: Mapping[str, str]
    is_development: bool
    mode: int | None


def gather(project: Project) -> Passwords:
    """Reads the settings and looks at the file."""
    mode = project.env_file.stat().st_mode if project.env_file.is_file() else None
    try:
        names = project.named | {one.name for one in project.entries}
        is_development = any(DEVELOPMENT.search(text) for text in project.texts.values())
    except SettingsError:  # which the check of variables tells
        names, is_development = set(), False
    secret = {name for name in names if SECRET.search(name)}
    values = {name: project.setting(name) for name in sorted(secret) if project.setting(name)}
    permissions = None if mode is None else stat.S_IMODE(mode)
    return Passwords(values, is_development, permissions)


def judge(passwords: Passwords) -> list[Finding]:
    """Tells which are weak, and whether others can read them."""
    found = [
        *_mode(passwords),
        *(_unfit(name) for name, value in passwords.values.items() if _is_unfit(name, value)),
        *_weak(passwords),
    ]
    return found or [ok(_praise(passwords))]


def _praise(passwords: Passwords) -> str:
    if not passwords.values:
        return "there are no passwords yet; make up writes them"
    return f"{len(passwords.values)} passwords are set, and .env is for you alone"


def _mode(passwords: Passwords) -> list[Finding]:
    if passwords.mode is None or not passwords.values or not passwords.mode & 0o077:
        return []
    text = f"others can read the passwords in .env (mode {passwords.mode:04o})"
    return [problem(text, "chmod 600 .env")]


def _weak(passwords: Passwords) -> list[Finding]:
    found = {
        name: why for name, value in passwords.values.items() if (why := weakness(name, value))
    }
    tell = warning if passwords.is_development else problem
    return [tell(f"{name} {why}", _renew(name)) for name, why in found.items()]


def weakness(name: str, value: str) -> str:
    """What makes a password easy to guess; empty if nothing does."""
    user = re.sub(r"(_DB|_ADMIN|_UI)?_PASSWORD$", "", name).lower()
    if value.lower() in {*DEFAULTS, user, f"{user}_password", f"{user}password"}:
        return "is one that everybody tries first"
    if len(value) < SHORTEST:
        return f"has {len(value)} characters; {SHORTEST} are the least"
    if len(set(value)) < LEAST_DIFFERENT:
        return "repeats a few characters"
    return ""


def _renew(name: str) -> str:
    if not IN_ADDRESSES.fullmatch(name):
        return in_env(name, A_PASSWORD)
    role = "postgres" if name == "POSTGRES_PASSWORD" else name.removesuffix("_DB_PASSWORD").lower()
    return (
        f"{in_env(name, A_PASSWORD)} and, if the database is there already: "
        f"docker compose exec postgres psql -U postgres -c '\\password {role}'"
    )


def _is_unfit(name: str, value: str) -> bool:
    return bool(IN_ADDRESSES.fullmatch(name)) and not re.fullmatch(r"[A-Za-z0-9._~-]+", value)


def _unfit(name: str) -> Finding:
    return problem(
        f"{name} has characters that can't stand in the address of a database", _renew(name)
    )
