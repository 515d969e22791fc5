"""What a run of the tests says."""
