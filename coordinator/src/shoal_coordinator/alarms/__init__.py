"""Whether something is to be done about the cluster: pure rules over what a leader sees.

Averages hide what hurts, so each rule looks at the worst: the fullest node beside what its
weight says, the busiest partition beside the usual one, the oldest move.
"""
