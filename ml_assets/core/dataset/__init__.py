"""From a source to validated rows under the hash of their content."""
