"""Real processes under load and faults, their histories recorded and checked.

history     what clients asked and were answered, as values and JSON lines
checks/     pure: what a history may not hold
workload    clients that make a history
cluster     etcd, coordinators and nodes as processes; network: where they stand
nemeses     faults, each of which says whether it bit
simulated   clusters simulated before that
campaign    rounds of load and faults by seed; report: what came of them
"""
