"""One folder for each model, and the resources that all share."""
