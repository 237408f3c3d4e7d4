"""Elexon's push service IRIS: the listener of the queue with its drop folder, and the public archive of all messages.

Which streams exist (catalogue), and how stored messages become rows (ingest), do not belong here.
"""
