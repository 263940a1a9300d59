"""The client's logic without I/O: no socket, no thread, no event loop, no clock of its own.

Operations are generators that yield effects (``effects.py``) and return results; the
drivers in ``shoal._drivers`` perform the effects, blocking or under asyncio. So there is
one client, not two that must be kept alike.

Nothing here imports grpc.
"""
