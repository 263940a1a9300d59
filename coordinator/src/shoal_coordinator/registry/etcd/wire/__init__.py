"""Stubs generated from ``coordinator/protos``; nothing here is written by hand."""
