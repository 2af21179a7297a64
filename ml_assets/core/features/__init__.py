"""From readings to feature rows, labels and the training set."""
