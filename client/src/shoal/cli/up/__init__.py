"""``shoal up``: a whole cluster on this machine, as separate processes.

Three layers of processes::

    launcher      this terminal: plans, waits until ready, shows the table
    └── supervisor    starts, reaps and stops all the others; a session of its own
        ├── etcd
        ├── coordinator-1, coordinator-2
        └── node-1 ... node-N

The supervisor reads commands from the launcher through a pipe. When the pipe
ends, for whatever reason, it stops everything: so nothing outlives the launcher,
not even one that was killed. Each child asks the kernel to be killed when the
supervisor dies, so nothing outlives that one either.
"""
