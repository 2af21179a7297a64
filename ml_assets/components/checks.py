"""The checks of the assets: what each looks at, in a sentence with its numbers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import pandas as pd

from ml_assets.core.spec import PipelineSpec

if TYPE_CHECKING:
    from ml_assets.core.dataset.report import DatasetReport

Blocks = Mapping[str, bool]
DATASET_CHECKS: Blocks = {
    "columns_and_types": True,
    "duplicates": True,
    "gaps": False,
    "ranges": False,
    "staleness": False,
}
"""The checks of the dataset, and whether later assets wait for them; the others warn."""
FEATURE_CHECKS: Blocks = {"finite": True, "no_future_leak": True}


def check(
    name: str, *, passed: bool, description: str, blocking: bool, **metadata: float | str
) -> dg.AssetCheckResult:
    """The result of a check; what does not block is a warning."""
    return dg.AssetCheckResult(
        check_name=name,
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN,
        description=description,
        metadata=dict(metadata),
    )


def dataset_checks(report: "DatasetReport", spec: PipelineSpec) -> list[dg.AssetCheckResult]:
    """The checks of a dataset."""
    found = {
        "columns_and_types": _types(report, spec),
        "duplicates": (
            report.duplicates == 0,
            f"{report.duplicates:,} rows repeat an entity and timestamp",
        ),
        "gaps": _gaps(report, max_gap=spec.forecast.max_gap if spec.forecast else 0),
        "ranges": _ranges(report),
        "staleness": _staleness(report, max_age=spec.source.max_age_hours),
    }
    return _results(found, DATASET_CHECKS)


def _results(found: Mapping[str, tuple[bool, str]], blocks: Blocks) -> list[dg.AssetCheckResult]:
    return [
        check(name, passed=passed, description=description, blocking=blocks[name])
        for name, (passed, description) in found.items()
    ]


def _types(report: "DatasetReport", spec: PipelineSpec) -> tuple[bool, str]:
    numbers = set(spec.columns.inputs)
    if spec.task != "classification":
        numbers.add(spec.columns.target)
    wrong = [name for name in sorted(numbers) if report.types.get(name) != "float64"]
    held = ", ".join(f"{name}: {kind}" for name, kind in report.types.items())
    return not wrong, f"no column of numbers: {', '.join(wrong)} (of {held})" if wrong else held


def _gaps(report: "DatasetReport", *, max_gap: int) -> tuple[bool, str]:
    missing = sum(one.missing_steps for one in report.gaps)
    longest = max(report.gaps, key=lambda one: one.longest_steps, default=None)
    if longest is None or not missing:
        return True, "no step is missing"
    return longest.longest_steps <= max_gap, (
        f"{missing:,} steps are missing; the longest gap is {longest.longest_steps} steps, at "
        f"{longest.entity} after {longest.longest_after:%F %H:%M}; the first {max_gap} of each gap "
        "are filled"
    )


def _ranges(report: "DatasetReport") -> tuple[bool, str]:
    outside = [
        f"{one.column}: {one.rows:,} values outside {one.low:g} to {one.high:g}, the first is "
        f"{one.first_value:g} at {one.first_place}"
        for one in report.out_of_range
        if one.rows
    ]
    return not outside, "; ".join(outside) or "all values are plausible"


def _staleness(report: "DatasetReport", *, max_age: float) -> tuple[bool, str]:
    if report.age_hours is None:
        return True, "the table has no times"
    limit = f"; at most {max_age:g} are allowed" if max_age else ""
    passed = not max_age or report.age_hours <= max_age
    return passed, f"the newest reading is {report.age_hours:,.0f} hours old{limit}"


def feature_checks(
    table: pd.DataFrame, dataset: pd.DataFrame, spec: PipelineSpec
) -> list[dg.AssetCheckResult]:
    """The checks of a feature table: all numbers are finite, and none knows the future."""
    from ml_assets.core.features.table import future_leaks

    unfit = [name for name in spec.feature_names if not np.isfinite(table[name].to_numpy()).all()]
    leaks = future_leaks(dataset, table, spec) if spec.forecast else []
    named = ", ".join(sorted({name for _, name in leaks}))
    found = {
        "finite": (
            not unfit,
            f"not finite: {', '.join(unfit)}" if unfit else "all values are finite",
        ),
        "no_future_leak": (
            not leaks,
            f"these change when later readings are cut off: {named}"
            if leaks
            else "recomputed on a truncated past, sampled rows are the same to the last bit",
        ),
    }
    return _results(found, FEATURE_CHECKS)
