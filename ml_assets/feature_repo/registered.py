"""What Feast's command line finds in this repository: the objects that the pipelines registered.

`feast apply` deletes whatever no module of the repository holds as an attribute. The pipelines
register their objects when they run, so that this module's attributes are the registry's objects,
read on demand: `feast plan` shows no change, and `feast apply` makes missing online tables.
"""

from functools import cache
from pathlib import Path

from feast import Entity, FeatureService, FeatureStore, FeatureView

FeastObject = Entity | FeatureView | FeatureService


def __dir__() -> list[str]:
    return sorted(_registered())


def __getattr__(name: str) -> FeastObject:
    if name not in _registered():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _registered()[name]


@cache
def _registered() -> dict[str, FeastObject]:
    store = FeatureStore(repo_path=str(Path(__file__).parent))
    objects: list[FeastObject] = [
        *store.list_entities(),
        *store.list_batch_feature_views(),
        *store.list_feature_services(),
    ]
    return {f"{type(item).__name__}_{item.name}": item for item in objects}
