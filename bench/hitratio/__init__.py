"""Miss ratios: Shoal beside a real Redis and beside the reference simulator."""
