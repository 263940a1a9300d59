"""A whole cluster in one thread and in virtual time, event by event, from one seed.

What decides is the real code: the agents' and the coordinator's decisions and their
operations on the registry, and the node's engine and replication in Rust. What the world
does to them is simulated: time, messages, etcd, processes that stop between two steps.

    events       virtual time: what happens next
    coroutines   runs operations that await, without an event loop
    host         one run of one process, as the world treats it
    etcd         etcd, its faults, and a process's connection to it
    plain        registry records without their encoding
    plane        a node's data plane: copies in Rust, lease and freezing in Python
    streams      what nodes say to each other
    process      a node: the real agent, driven by events
    coordinator  a coordinator: the real plan, driven by events
    client       writes, reads, counts, and remembers what it was told
    promises     what must hold of what it was told
    harms        what is done to the cluster
    needless     copies that nobody had to give up
    mutants      rules taken away, to see that it is noticed
    cluster      all of it
"""
