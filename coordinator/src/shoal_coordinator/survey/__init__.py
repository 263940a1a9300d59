"""What nodes tell of themselves, as far as a coordinator wants to know: their figures."""
