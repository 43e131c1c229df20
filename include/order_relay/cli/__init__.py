"""The command line, for operators on call: one module per group of commands.

Exit codes: 0 success, 1 a problem was found (failed accounting check, failed doctor check, no match), 2 wrong usage
or configuration, reported in one line.
"""
