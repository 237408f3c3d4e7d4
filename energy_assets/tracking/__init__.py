"""Watching what the rest does: status, and the comparison of catalogue and provider.

It reads and evaluates; nothing here fetches in order to store.
"""
