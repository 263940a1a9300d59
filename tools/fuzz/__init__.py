"""Runs the fuzz targets: build once, then each for its time, two at a time."""
