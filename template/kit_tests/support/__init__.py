"""What the tests share: a database server, databases of their own, and the application around them."""
