"""Checks of histories: pure functions from operations to what is wrong with them."""
