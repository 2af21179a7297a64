"""A model's alias `production`, which tests move and somebody looks at."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from ml_assets.resources.promotions import AliasChange
from serving.release.changes import Change, Cursor, Production, new_changes
from tests.registry_cases import START


@dataclass
class Alias:
    """A model's alias, and somebody who looks at it."""

    model: Production = field(default_factory=lambda: Production("oven", None, ()))
    cursor: Cursor = field(default_factory=Cursor)
    found: list[Change] = field(default_factory=list)
    reached: list[int] = field(default_factory=list)
    _seconds: int = 0

    def promote(self, version: int, *, moves: bool = True, rollback: bool = False) -> None:
        """Writes a record, and then moves the alias unless the promotion is stopped there."""
        self._seconds += 1
        when = START + timedelta(seconds=self._seconds)
        record = AliasChange(version, when, self.model.version, rollback=rollback)
        self.model = replace(self.model, promotions=[*self.model.promotions, record])
        if moves:
            self.move(version)

    def move(self, version: int | None) -> None:
        """Moves the alias."""
        if version not in (None, self.model.version):
            self.reached.append(version)
        self.model = replace(self.model, version=version)

    def tick(self) -> list[Change]:
        """Looks for new changes."""
        new, self.cursor = new_changes(self.cursor, [self.model])
        self.cursor = Cursor.model_validate_json(self.cursor.model_dump_json())
        self.found += new
        return new

    @property
    def released(self) -> list[int]:
        """The versions that were found, in order."""
        return [change.version for change in self.found]


def promoted(*versions: int) -> Alias:
    alias = Alias()
    for version in versions:
        alias.promote(version)
    return alias
