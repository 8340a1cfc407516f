"""The plumbing that all methods share: folds, seeds, the loop, the device, the record of predictions."""
