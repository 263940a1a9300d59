"""Checks the model in ``spec/``: every rule stands, and each one is needed."""
