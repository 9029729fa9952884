"""Where a model is bought."""
