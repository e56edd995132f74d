"""The subcommands that need a simulator."""
