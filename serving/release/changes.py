"""Which changes of the alias `production` are new: each of them is to be released.

A rollback is not: whoever goes back to a version delivers it too.

Promotions leave records in the registry, so that none of them is lost however many happen between
two looks. A record is written just before the alias moves; it counts as soon as the alias was at
its version. Whoever moves the alias by hand leaves no record: such a move is seen if it lasts until
the next look, and it hides a promotion right before it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pydantic import AwareDatetime, Field

from ml_assets.resources.promotions import AliasChange, compact
from ml_assets.resources.registry import ModelRegistry
from serving.runtime.spec import FrozenModel

OURS = re.compile("[a-z][a-z0-9_]*")
"""Names of models that the platform makes; others may share its registry."""


class Seen(FrozenModel):
    """Where the alias of a model was.

    Attributes:
        version: The version in production, if there was one.
        promoted: Time of the newest promotion that had counted by then.
        moves: How often the alias had moved without a promotion since.
    """

    version: int | None = None
    promoted: AwareDatetime | None = None
    moves: int = 0

    @property
    def key(self) -> str:
        """What tells this state of the alias from every other one of the model."""
        promotion = compact(self.promoted) if self.promoted else "start"
        return f"{promotion}+{self.moves}" if self.moves else promotion

    def moved_by_hand(self, version: int | None) -> "Seen":
        """Where the alias is when it is found at ``version``."""
        if version == self.version:
            return self
        return Seen(version=version, promoted=self.promoted, moves=self.moves + 1)


class Cursor(FrozenModel):
    """Where the alias of every model was when somebody last looked.

    Attributes:
        models: By the model's name.
    """

    models: dict[str, Seen] = Field(default={})


@dataclass(frozen=True)
class Change:
    """A version went into production.

    Attributes:
        model: Name of the model.
        version: The version.
        key: What tells this change from every other one of the model; whoever sees the change
            finds the same key.
    """

    model: str
    version: int
    key: str


@dataclass(frozen=True)
class Production:
    """What the registry says of a model at one moment.

    Attributes:
        model: Name of the model.
        version: The version in production, if there is one.
        promotions: The records of its promotions, oldest first.
    """

    model: str
    version: int | None
    promotions: Sequence[AliasChange]


def look(registry: ModelRegistry) -> list[Production]:
    """The models in the registry.

    A model whose alias moves at this very moment is left out: alias and records are read one after
    the other, and would not fit together.

    Raises:
        RegistryError: MLflow is out of reach.
    """
    before = registry.models()
    ours = [model for model in before if OURS.fullmatch(model)]
    promotions = {model: registry.promotions(model) for model in ours}
    after = registry.models()
    settled = [model for model in ours if model in after and before[model] == after[model]]
    return [Production(model, before[model], promotions[model]) for model in settled]


def new_changes(cursor: Cursor, models: Sequence[Production]) -> tuple[list[Change], Cursor]:
    """The changes since the last look, those of a model in the order in which they happened.

    Args:
        cursor: What the last look left.
        models: What the registry says now.

    Returns:
        The changes, and the cursor for the next look.
    """
    rollbacks = {
        (one.model, move.when) for one in models for move in one.promotions if move.rollback
    }
    paths = {one.model: _path(cursor.models.get(one.model, Seen()), one) for one in models}
    changes = [
        Change(model, after.version, after.key)
        for model, path in paths.items()
        for before, after in pairwise(path)
        if after.version not in (None, before.version)
        and not (after.moves == 0 and (model, after.promoted) in rollbacks)
    ]
    return changes, Cursor(
        models=cursor.models | {model: path[-1] for model, path in paths.items()}
    )


def _path(seen: Seen, production: Production) -> list[Seen]:
    """Where the alias was, from where it was seen last to where it is now."""
    path = [seen]
    path += [Seen(version=one.version, promoted=one.when) for one in _counted(production, seen)]
    return [*path, path[-1].moved_by_hand(production.version)]


def _counted(production: Production, seen: Seen) -> Iterator[AliasChange]:
    """The new promotions whose version the alias reached: it was there later."""
    new = [one for one in production.promotions if not seen.promoted or one.when > seen.promoted]
    later = [*(one.from_version for one in new[1:]), production.version]
    return (one for one, found in zip(new, later, strict=False) if found == one.version)
