"""From a promoted model to something a customer can run: packaging and proof."""
