"""What can be asked for and what comes out: questions, combinations, releases, renders and what they may hold."""
