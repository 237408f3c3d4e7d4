"""Where rows go: the interface, its DuckDB implementation, the SQL that warehouses share, reading for people, Dagster.

Nothing here fetches or types a provider's answer. Import from the modules; this package loads nothing by itself.
"""
