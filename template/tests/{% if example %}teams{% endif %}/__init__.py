"""What clients rely on when they deal with teams."""
