"""What performs the effects of ``shoal._core``: gRPC, threads, event loops.

``blocking.py`` stands behind ``shoal.Client``, ``aio.py`` behind ``shoal.asyncio.Client``.
"""
