"""The platform's maths and rules in plain Python; nothing here knows Dagster."""
