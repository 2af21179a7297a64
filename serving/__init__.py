"""All that has to do with a promoted model: the runtime that customers get, and its release."""
