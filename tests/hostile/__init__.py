"""What strangers send: a running service keeps its promises, its memory and its secrets."""
