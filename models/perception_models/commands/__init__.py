"""Subcommands that training brings; importing them needs no torch."""
