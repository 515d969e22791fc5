"""What domains are built on. `README.md` says what is in it, and what to change elsewhere instead."""
