"""What `make` calls: jobs with a readable summary, and the service of the promoted model."""
