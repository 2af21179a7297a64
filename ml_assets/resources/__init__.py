"""Resources: where the pipeline's state lives and the servers it talks to."""
