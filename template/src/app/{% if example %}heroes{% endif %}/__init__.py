"""Heroes: the example of a domain that must be fast. Rows of columns, by statements that are built once."""
