"""What no layer of a released image may hold, as tables of paths and of texts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

BUILD_TOOLS = ("gcc", "g++", "cc", "c++", "clang", "clang++", "rustc", "make", "cmake", "git")
INSTALLERS = ("uv", "uvx", "poetry", "pipx", "conda", "mamba")
COMMANDS = (*BUILD_TOOLS, *INSTALLERS)
"""Names of commands that no image may have on its path."""
OWN = ("ml_assets", "serving/release", "run_containers", "platform_storage")
"""Code of this project that no customer gets; no library has directories of these names."""
COMMON = ("commands", "benchmarks", "tests", "test")
"""The same, under names that libraries have too."""
DATA = ("csv", "tsv", "parquet", "feather", "arrow")


@dataclass(frozen=True)
class Rule:
    """Paths that are forbidden.

    Attributes:
        why: What they are.
        pattern: Fits the whole of such a path.
    """

    why: str
    pattern: re.Pattern[str]


@dataclass(frozen=True)
class Secret:
    """A text that is forbidden in a file.

    Attributes:
        why: What it is.
        begins: Characters that it has for certain, which are fast to look for.
        pattern: Fits the text.
    """

    why: str
    begins: bytes
    pattern: re.Pattern[bytes]


def _rule(why: str, pattern: str) -> Rule:
    return Rule(why, re.compile(pattern))


def _secret(why: str, begins: bytes, pattern: bytes) -> Secret:
    return Secret(why, begins, re.compile(pattern))


def _any(names: Sequence[str]) -> str:
    return f"(?:{'|'.join(map(re.escape, names))})"


_ANY = r"(?:.*/)?"
_LIBRARIES = r"(?:site|dist)-packages/"
_OURS = (
    r"(?!(?:usr/(?:bin|sbin|lib|libexec|include|share|local/lib/python[\d.]+)|etc|lib|var/lib/dpkg)/"
    rf"|{_ANY}{_LIBRARIES})"
)
"""Begins a pattern that leaves out the system's files and those of installed libraries."""
_COMPRESSED = r"(?:\.(?:gz|zst|xz|bz2))?"
_BIN = rf"{_ANY}s?bin/"
_CODE, _CACHE, _KEY = "code that no customer gets", "a package manager's cache", "a private key"

RULES = (
    _rule("a Git repository", rf"{_ANY}\.git(?:/.*)?"),
    _rule("a file of environment variables", rf"{_ANY}\.env(?:\.[^/]+)?"),
    _rule("a notebook", r".*\.ipynb"),
    _rule("a file of data", rf"{_OURS}.*\.{_any(DATA)}{_COMPRESSED}"),
    _rule(_CODE, rf"{_ANY}{_any(OWN)}/.+"),
    _rule(_CODE, rf"{_OURS}{_ANY}{_any(COMMON)}/.+"),
    _rule("a build tool", rf"{_BIN}(?:\w+-linux-\w+-)?{_any(BUILD_TOOLS)}(?:-[\d.]+)?"),
    _rule("an installer", rf"{_BIN}{_any(INSTALLERS)}"),
    _rule("an installer", rf"(?!usr/){_ANY}(?:bin/pip[\d.]*|{_LIBRARIES}(?:pip|uv)/.+)"),
    _rule(_CACHE, rf"{_ANY}\.cache/.+"),
    _rule(_CACHE, r"var/cache/apt/.+\.(?:deb|bin)|var/lib/apt/lists/[^/]+_[^/]+"),
    _rule(_KEY, rf"{_ANY}(?:id_(?:rsa|dsa|ecdsa|ed25519)|cosign\.key|[^/]+\.(?:p12|pfx|jks))"),
    _rule("credentials", rf"{_ANY}(?:\.netrc|\.pypirc|\.npmrc|\.git-credentials)"),
    _rule("credentials", rf"{_ANY}(?:\.docker/config\.json|\.aws/credentials|\.kube/config)"),
)
"""What the path of an entry may not be. The pip below ``/usr`` is left out: base images bring it in
a layer that is not ours to change."""

SECRETS = (
    _secret(
        _KEY,
        b"PRIVATE KEY-----",
        rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----"
        rb"(?:\\[rn]|\s|[\w-]+: [^\n]*\n)+[A-Za-z0-9+/]{32}",
    ),
    _secret("an access key of AWS", b"AKIA", rb"\bAKIA[A-Z2-7]{16}\b(?<!EXAMPLE)"),
    _secret("a token of GitHub", b"gh", rb"\bgh[pousr]_[A-Za-z0-9]{36}\b"),
    _secret("a token of GitHub", b"github_pat_", rb"\bgithub_pat_\w{60}"),
    _secret("a token of GitLab", b"glpat-", rb"\bglpat-[\w-]{20}"),
    _secret("a token of Hugging Face", b"hf_", rb"\bhf_[A-Za-z0-9]{34}\b"),
    _secret("a token of PyPI", b"pypi-AgEI", rb"\bpypi-AgEI[\w-]{50}"),
    _secret("a token of Slack", b"xox", rb"\bxox[abprs]-\d{8,}-[\w-]{16}"),
    _secret("a key of Google", b"AIza", rb"\bAIza[\w-]{35}\b"),
    _secret("a registry's password", b'"auth"', rb'"auth"\s*:\s*"[A-Za-z0-9+/]{12,}=*"'),
)
"""What the content of a text may not have. A key is one only with what it consists of: libraries
name the line that it begins with."""
