"""What the programs of coordinator and node are alike in as processes.

``configuration``  flags over SHOAL_* over a TOML file over defaults
``addresses``      HOST:PORT, as settings give it
``reloaded``       content of files that may change while it runs
``tls``            its certificates, and whom it trusts
``stopping``       the first signal stops in order, the second at once
"""
