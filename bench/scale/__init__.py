"""How far it scales, without a cluster: the planner's time and memory, and etcd's load.

__main__   python -m bench.scale
planning   the real planner over as many nodes and partitions as one asks for
etcd_load  keys, bytes, writes and watchers, computed from the real encoding of records
"""
