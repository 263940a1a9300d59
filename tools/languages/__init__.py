"""Programs in other languages, from stubs generated afresh, against a real cluster."""
