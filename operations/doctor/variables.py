"""Is everything set that the compose files demand, and does everything set mean something?"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from operations.backup.contents import POSTGRES, SQLITE
from operations.doctor.findings import Finding, in_env, ok, problem, warning
from operations.errors import SettingsError
from operations.project import Project

OF_OTHERS = re.compile("COMPOSE_|DOCKER_|BUILDX_|BUILDKIT_")
"""Variables of Docker's own."""
CLOSE = 0.8
DATABASES = ("", SQLITE, POSTGRES)
UNUSED = (
    "DATABASE is not set, and this platform has a PostgreSQL: services that are started anew would "
    "be empty"
)


@dataclass(frozen=True)
class Variables:
    """What stands in .env beside what is read.

    Attributes:
        demanded: What the compose files can't do without and lack, and what they say of it.
        written_by_configure: Names that `make configured` fills in.
        set: Names in .env.
        known: Names that .env.example explains or the compose files read.
        read_otherwise: Names whose value make takes for another one than Compose, and make's.
        fault: Why .env or a compose file can't be read; empty if it can.
        database: The value of DATABASE if it is none that we know.
        has_unused_postgres: Whether the platform has a PostgreSQL, and nothing would use it.
        refusal: Why Compose refuses the files; empty if it does not.
        refused: Names in .env whose values the refusal tells.
    """

    demanded: Mapping[str, str]
    written_by_configure: frozenset[str]
    set: tuple[str, ...]
    known: frozenset[str]
    read_otherwise: tuple[str, ...] = ()
    fault: str = ""
    database: str = ""
    has_unused_postgres: bool = False
    refusal: str = ""
    refused: tuple[str, ...] = ()


def gather(project: Project, *, has_postgres: bool = False, refusal: str = "") -> Variables:
    """Reads .env, .env.example and the compose files.

    Args:
        project: The project.
        has_postgres: Whether the platform has a volume of PostgreSQL.
        refusal: What Compose says if it refuses the files.
    """
    try:
        database = project.setting("DATABASE")
        if database not in DATABASES:  # the compose files name files of its name
            return Variables({}, frozenset(), (), frozenset(), database=database)
        is_ours = has_postgres and not project.setting("POSTGRES_HOST")
        return Variables(
            demanded=project.missing,
            written_by_configure=_names_in(project, "docker/configure", r"\b([A-Z][A-Z_]+)\b"),
            set=tuple(one.name for one in project.entries),
            known=frozenset(project.named)
            | _names_in(project, ".env.example", r"(?m)^(?:# ?)?([A-Z_]+)="),
            read_otherwise=tuple(
                one.name
                for one in project.entries
                if one.value is not None and ("$" in one.written or one.as_make != one.value)
            ),
            has_unused_postgres=is_ours and not database,
            refusal=refusal,
            refused=_told_by(refusal, project),
        )
    except SettingsError as error:
        return Variables({}, frozenset(), (), frozenset(), fault=str(error))


def _told_by(refusal: str, project: Project) -> tuple[str, ...]:
    """Names in .env, of those that the compose files read, whose values a message tells."""
    read = project.named
    return tuple(
        one.name
        for one in project.entries
        if one.value and one.name in read and _is_word_of(one.value, refusal)
    )


def _is_word_of(value: str, text: str) -> bool:
    return bool(re.search(rf"(?<![\w./-]){re.escape(value)}(?![\w/-]|\.\w)", text))


def judge(variables: Variables) -> list[Finding]:
    """Tells what is missing, mistyped, or read in two ways."""
    if variables.database:
        text = f"DATABASE is {variables.database!r}; it is sqlite or postgres"
        return [problem(text, in_env("DATABASE", "..."))]
    if variables.fault:
        return [problem(variables.fault, "mend that line; .env.example shows how it is written")]
    found = [
        *([_refused(variables)] if variables.refusal else []),
        *([problem(UNUSED, in_env("DATABASE", POSTGRES))] if variables.has_unused_postgres else []),
        *_missing(variables),
        *(_twice(name) for name in sorted(set(variables.set)) if variables.set.count(name) > 1),
        *(_two_ways(name) for name in variables.read_otherwise),
        *(guess for name in variables.set if (guess := _mistyped(name, variables))),
    ]
    return found or [ok("every variable that is needed is set")]


def _refused(variables: Variables) -> Finding:
    names = " or ".join(dict.fromkeys(variables.refused)) or "the setting that this is about"
    return problem(variables.refusal, f"correct {names} in .env")


def _missing(variables: Variables) -> list[Finding]:
    ours = sorted(variables.demanded.keys() & variables.written_by_configure)
    others = {name: why for name, why in variables.demanded.items() if name not in ours}
    told = [problem(f"not set, or empty: {', '.join(ours)}", "make configured")] if ours else []
    return told + [
        problem(f"{name} is not set, or empty: {why or 'it is needed'}", in_env(name, "..."))
        for name, why in sorted(others.items())
    ]


def _twice(name: str) -> Finding:
    return warning(f"{name} stands in .env twice; the last one counts", f"remove one {name}= line")


def _two_ways(name: str) -> Finding:
    return problem(
        f"make and Compose read the value of {name} in .env differently, as it has quotes, $ or #",
        f"write {name} in .env without quotes, dollar signs, hashes and spaces",
    )


def _mistyped(name: str, variables: Variables) -> Finding | None:
    if name in variables.known or OF_OTHERS.match(name):
        return None
    meant = get_close_matches(name, sorted(variables.known), n=1, cutoff=CLOSE)
    if not meant:
        return None
    return warning(
        f"nothing reads {name} in .env; {meant[0]} is what you may mean", in_env(meant[0], "...")
    )


def _names_in(project: Project, path: str, pattern: str) -> frozenset[str]:
    """Names in a file of the project; none if it is not there."""
    try:
        return frozenset(re.findall(pattern, (project.root / path).read_text(encoding="utf-8")))
    except OSError:
        return frozenset()
