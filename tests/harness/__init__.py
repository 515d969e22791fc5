"""What the tests share. Each module has one job; none of them holds a test."""
