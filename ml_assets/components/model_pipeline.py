"""The component behind every model's YAML file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import dagster as dg
from pydantic import BaseModel

from ml_assets.components import (
    data_assets,
    evaluation_assets,
    model_assets,
    tuning_assets,
)
from ml_assets.components.checks import DATASET_CHECKS, FEATURE_CHECKS, Blocks
from ml_assets.components.overrides import (
    EstimatorOverride,
    SourceOverride,
    TuningOverride,
    job_config,
)
from ml_assets.components.presentation import Result
from ml_assets.core.names import gate_names
from ml_assets.core.spec import PipelineSpec
from ml_assets.resources.failures import failing_plainly, judged
from ml_assets.resources.feast import FeatureStoreResource
from ml_assets.resources.registry import ModelRegistry
from ml_assets.resources.storage import Storage

if TYPE_CHECKING:  # what `define_asset_job` returns has no public name
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )

JOBS: dict[str, tuple[str, ...]] = {
    "train": ("dataset", "features", "training_set", "model", "evaluation", "promotion"),
    "evaluate": ("dataset", "features", "training_set", "evaluation"),
    "tune": ("dataset", "features", "training_set", "best_params"),
    "ingest": ("dataset", "features", "online_features"),
}
"""The jobs of a model and the assets that each materialises."""


@dataclass
class ModelPipeline(dg.Component):
    """A model from its data to its promotion: one YAML file, eight assets, four jobs."""

    spec: PipelineSpec

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The schema that `dg check yaml` holds a YAML file against."""
        return PipelineSpec

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:  # noqa: ARG003
        """Makes the component from the YAML file's attributes."""
        return cls(PipelineSpec.model_validate(attributes))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """All assets, checks, jobs and schedules of the model."""
        return dg.Definitions(
            assets=[
                self.build_dataset(),
                self.build_features(),
                self.build_training_set(),
                self.build_best_params(),
                self.build_model(),
                self.build_evaluation(),
                self.build_promotion(),
                self.build_online_features(),
            ],
            jobs=[self.build_job(name) for name in JOBS],
            schedules=self.build_schedules(),
        )

    def build_dataset(self) -> dg.AssetsDefinition:
        """The validated rows, under the hash of their content."""

        @self._asset(checks=DATASET_CHECKS)
        def dataset(config: SourceOverride, storage: Storage) -> Result:
            """The validated rows as Parquet; the data version is the hash of their content."""
            return data_assets.dataset(self.spec, config.apply(self.spec.source), storage)

        return dataset

    def build_features(self) -> dg.AssetsDefinition:
        """The feature table."""

        @self._asset(deps=["dataset"], checks=FEATURE_CHECKS)
        def features(storage: Storage, feature_store: FeatureStoreResource) -> Result:
            """Features for each entity and event time, as Parquet, known to Feast."""
            return data_assets.features(self.spec, storage, feature_store)

        return features

    def build_training_set(self) -> dg.AssetsDefinition:
        """Features joined with labels."""

        @self._asset(deps=["dataset", "features"])
        def training_set(storage: Storage, feature_store: FeatureStoreResource) -> Result:
            """Point-in-time join of labels and features through Feast, split in time order."""
            return data_assets.training_set(self.spec, storage, feature_store)

        return training_set

    def build_best_params(self) -> dg.AssetsDefinition:
        """The best parameters of a search."""

        @self._asset(deps=["training_set"])
        def best_params(
            config: TuningOverride,
            storage: Storage,
            mlflow: dg.ResourceParam[Any],
        ) -> Result:
            """Optuna's search on the validation span; `model` uses it until the YAML changes."""
            return tuning_assets.best_params(self.spec, config, storage, mlflow)

        return best_params

    def build_model(self) -> dg.AssetsDefinition:
        """The candidate."""

        @self._asset(deps=["training_set", "best_params"])
        def model(
            config: EstimatorOverride,
            storage: Storage,
            feature_store: FeatureStoreResource,
            registry: ModelRegistry,
            mlflow: dg.ResourceParam[Any],
        ) -> Result:
            """The fitted model, logged and registered in MLflow under the alias `staging`."""
            version, result = model_assets.model(
                self.spec, config.parameters, storage, registry, mlflow
            )
            feature_store.register_service(self.spec, version.version)
            return result

        return model

    def build_evaluation(self) -> dg.AssetsDefinition:
        """The candidate beside production and naive baselines."""

        @self._asset(
            deps=["dataset", "training_set", "model"],
            checks=dict.fromkeys(gate_names(self.spec.task), True),
        )
        def evaluation(
            storage: Storage,
            registry: ModelRegistry,
            mlflow: dg.ResourceParam[Any],
        ) -> Result:
            """Candidate, production and baselines on the same test rows; the gates block."""
            return evaluation_assets.evaluation(self.spec, storage, registry, mlflow)

        return evaluation

    def build_promotion(self) -> dg.AssetsDefinition:
        """The move of the alias `production`."""

        @self._asset(deps=["evaluation"])
        def promotion(
            context: dg.AssetExecutionContext,
            storage: Storage,
            registry: ModelRegistry,
            mlflow: dg.ResourceParam[Any],
        ) -> Result:
            """Moves the alias `production` to the candidate and records who, when and why."""
            return evaluation_assets.promotion(
                self.spec, storage, registry, mlflow, run_id=context.run.run_id
            )

        return promotion

    def build_online_features(self) -> dg.AssetsDefinition:
        """The latest features in the online store."""

        @self._asset(deps=["features"])
        def online_features(storage: Storage, feature_store: FeatureStoreResource) -> Result:
            """The latest features of each entity in Feast's online store."""
            return data_assets.online_features(self.spec, storage, feature_store)

        return online_features

    def build_job(self, name: str) -> "UnresolvedAssetJobDefinition":
        """The job `<model>_<name>`."""
        assets = JOBS[name]
        return dg.define_asset_job(
            f"{self.spec.name}_{name}",
            selection=dg.AssetSelection.assets(*(self._key(asset) for asset in assets)),
            config=job_config(self.spec.name, assets),
            description=f"{' -> '.join(assets)} of {self.spec.name}",
            # Runs with the same tag wait for each other on the platform (dagster.yaml).
            tags={"model": self.spec.name},
            executor_def=dg.in_process_executor,
        )

    def build_schedules(self) -> list[dg.ScheduleDefinition]:
        """The schedules that the YAML asks for; they are created stopped."""
        return [
            dg.ScheduleDefinition(job_name=f"{self.spec.name}_{job}", cron_schedule=cron)
            for job, cron in self.spec.automation
            if cron
        ]

    def _key(self, asset: str) -> dg.AssetKey:
        return dg.AssetKey([self.spec.name, asset])

    def _asset(
        self, *, deps: Sequence[str] = (), checks: Blocks = MappingProxyType({})
    ) -> Callable[[Callable[..., Result]], dg.AssetsDefinition]:
        """`dg.asset` with what all assets of a model have in common.

        One run at a time works on a model, and its errors reach the user as they are.
        """

        def decorate(body: Callable[..., Result]) -> dg.AssetsDefinition:
            key = self._key(body.__name__)

            @wraps(body)
            def alone(*context: dg.AssetExecutionContext, **given: Any) -> Result:
                with failing_plainly():
                    run_id = dg.AssetExecutionContext.get().run.run_id
                    given["storage"].claim(self.spec.name, run_id=run_id)
                    return judged(body(*context, **given))

            return dg.asset(
                key=key,
                deps=[self._key(dep) for dep in deps],
                group_name=self.spec.name,
                check_specs=[
                    dg.AssetCheckSpec(name, asset=key, blocking=blocking)
                    for name, blocking in checks.items()
                ],
                kinds=KINDS[body.__name__],
            )(alone)

        return decorate


KINDS = {
    "dataset": {"parquet"},
    "features": {"parquet", "feast"},
    "training_set": {"parquet", "feast"},
    "best_params": {"optuna", "mlflow"},
    "model": {"xgboost", "mlflow"},
    "evaluation": {"mlflow"},
    "promotion": {"mlflow"},
    "online_features": {"feast"},
}
"""What each asset is made with, shown as icons in the UI."""
