"""All definitions of the code location: what stands under `defs/`."""

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """Loads every model's YAML file and the resources."""
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
