"""Dagster components: what a model's YAML file can instantiate."""

from ml_assets.components.model_pipeline import ModelPipeline

__all__ = ["ModelPipeline"]
