"""The real program as processes: daemons, brokers and commands, and what is left when they are killed."""
