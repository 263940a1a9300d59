"""Side by side with Redis: CPU per operation and throughput, in one interleaved run."""
