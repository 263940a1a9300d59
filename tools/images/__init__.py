"""Images without Docker and without a registry of images: see docs/images.md."""
