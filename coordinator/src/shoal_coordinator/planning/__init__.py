"""What the leading coordinator does about what it sees: pure, no clock, no I/O.

``observe`` keeps what a view cannot tell (since when something is so), ``decide``
turns view and memory into actions, each of which renders the sentence that is
logged. ``election`` runs them and carries the actions out.
"""
