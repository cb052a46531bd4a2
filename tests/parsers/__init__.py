"""Every parser and border of the library against inputs that nobody meant: mutated files, headers, arguments.

``python -m tests.parsers --inputs 1000000`` runs them, ``python -m tests.parsers.guided`` lets coverage lead.
"""
