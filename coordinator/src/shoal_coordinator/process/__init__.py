"""What the programs of coordinator and node are alike in as processes.

``configuration``  flags over SHOAL_* over a TOML file over defaults
``addresses``      HOST:PORT, as settings give it
``exposure``       where a listener may be
``reloaded``       content of files that may change while it runs
``tls``            its certificates, and whom it trusts: files and what they say
``tls_settings``   the flags for them
``running_tls``    the same, from start to end
``live_tls``       listeners and channels that use them
``http_server``    a small HTTP server, for metrics
``stopping``       the first signal stops in order, the second at once
"""
