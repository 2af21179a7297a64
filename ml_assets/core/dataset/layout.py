"""Which columns of a file are read, and what they hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from ml_assets.core.dataset.cells import Kind
from ml_assets.core.errors import DataError
from serving.runtime.spec import ColumnSpec

_SHOWN = 20


@dataclass(frozen=True)
class Layout:
    """The columns of a model, as its sources hold them.

    Attributes:
        columns: Which column is what.
        timezone: IANA time zone of timestamps that carry no offset.
        labels: Whether the target holds names of classes, not numbers.
    """

    columns: ColumnSpec
    timezone: str = "UTC"
    labels: bool = False

    @property
    def kinds(self) -> dict[str, Kind]:
        """What each column holds, in the order of the dataset: timestamp, entity, numbers."""
        columns = self.columns
        kinds: dict[str, Kind] = {columns.timestamp: "time"} if columns.timestamp else {}
        if columns.entity:
            kinds[columns.entity] = "text"
        kinds |= dict.fromkeys(columns.numeric, "number")
        if self.labels:
            kinds[columns.target] = "text"
        return kinds

    def select(
        self, uri: str, found: Sequence[str], *, entity_is_optional: bool = False
    ) -> dict[str, Kind]:
        """What to read of a table that has the columns ``found``, in the order of `kinds`.

        Raises:
            DataError: A column is missing, or there is more than one of its name.
        """
        wanted = self.kinds
        if entity_is_optional and self.columns.entity not in found:
            wanted.pop(self.columns.entity or "", None)
        for name in wanted:
            if found.count(name) > 1:
                raise DataError(
                    f"{uri}: {found.count(name)} columns are called {name!r}; rename all but one"
                )
            if name not in found:
                raise DataError(f"{uri}: column {name!r} is missing; {_hint(name, found)}")
        return wanted


def _hint(name: str, found: Sequence[str]) -> str:
    for separator in (";", "\t", "|"):
        if len(found) == 1 and separator in found[0]:
            return f"its columns are separated by {separator!r}; separate them by commas"
    names = {other.strip().lower(): other for other in found}
    close = get_close_matches(name.strip().lower(), names, n=1)
    guess = f"did you mean {names[close[0]]!r}? " if close else ""
    shown = ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
    return f"{guess}The file has {shown}. Rename the column there, or in columns of the YAML file"
