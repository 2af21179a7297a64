"""Definitions as the code location loads them."""

from pathlib import Path

import dagster as dg
import pytest

from ml_assets.definitions import defs


@pytest.fixture
def definitions(home: Path) -> dg.Definitions:
    """All definitions, on an empty state directory."""
    return defs()
