"""The command line, for people on call: one module per group of commands.

Exit codes: 0 all is well, 1 a problem was found (books that do not balance, a failed check, nothing found), 2 wrong use
or wrong set-up, told in one line.
"""
