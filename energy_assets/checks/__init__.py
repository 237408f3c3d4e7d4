"""Whether what is held can be trusted: pure evaluators over facts that a warehouse sums up in SQL.

Nothing here imports Dagster or fetches from a provider, but for the oracle, whose client call is in ``oracle``.
"""
