"""Being the one coordinator that acts: the lease, the campaign, and the acting.

A lease is not mutual exclusion: whatever a leader writes compares its election key
as well, so one that was stopped and comes back can change nothing. Beyond that it
stops acting as soon as it may no longer trust its lease.
"""
