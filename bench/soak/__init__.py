"""Does a node keep within its ``maxmemory`` under everything that uses memory at once?"""
