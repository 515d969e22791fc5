"""Teams: the example of a small domain."""
