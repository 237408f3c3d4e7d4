"""How data are fetched: one module or folder per provider, and the HTTP client that they share.

Which datasets exist (catalogue), when they are due (ingest) and what their rows mean (contract) do not belong here.
"""
