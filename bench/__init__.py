"""Side by side with Redis, Valkey and memcached, in one interleaved run."""
