"""The database layer. `docs/sessions.md` says how to use it, and `docs/operations.md` how to run it.

`sessions` has the `Database` with its sessions and transactions; `dependencies` hands them to endpoints;
`models` has what models inherit from, `query` their typed statements. Only `dependencies` knows FastAPI.
"""
