"""Everything between the service and its database. `docs/database.md` explains the choices.

`sessions` has the `Database` with its sessions and transactions; `dependencies` hands them to endpoints;
`base` is where models begin. Only `dependencies` knows FastAPI.
"""
