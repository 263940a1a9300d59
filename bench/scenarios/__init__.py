"""What is measured: one file a kind of scenario, each ending in findings."""
