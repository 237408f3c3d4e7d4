"""The stand-in of NESO's data portal: its actions, its tables, and the storage that its files lie in."""
