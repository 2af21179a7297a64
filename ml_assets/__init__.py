"""The code location `ml_assets`: from a table of data to a promoted model."""
