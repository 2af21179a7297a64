"""The release bundle: the proved image and all that a customer needs to trust it and to run it."""
