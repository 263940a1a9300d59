"""Who may do what: the access file, and what it says of a caller.

``policy``   roles, and who has them, as frozen values
``reading``  from the file to a policy, or a sentence that says what is wrong
``rights``   what one caller may do, all of its roles together
``running``  the file of a process while it runs
``bearer``   tokens, as they travel and as they are kept: by their SHA-256

Everything is denied that no role allows. Who shows a token that the file does not have is
nobody, whatever else it shows.

Pure but for ``reading`` and ``running``, which open files. A data plane judges by the same policy,
in Rust (``node/server/src/access``).
"""
