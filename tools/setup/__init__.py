"""Sets a clone up: private environment, Rust extension, etcd. Standard library only."""
