"""What is done with a render: commands, environments, servers, services at work."""
