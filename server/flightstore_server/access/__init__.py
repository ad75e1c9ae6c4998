"""Who may do what: tokens at rest, the roles and series they stand for, and who is let in.

grants        what a token allows: a role, and the series it reaches
tokens        secrets: made once, kept as their digest
tokens_file   the tokens of a data directory, on its disk
gate          whom a running server lets in; it notices when the file changes
certificates  the server's own, read again when they change
"""
