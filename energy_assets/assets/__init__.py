"""Catalogue entries and derived tables as Dagster assets.

What belongs here turns a catalogue entry into an asset, or runs a refresh for one. What is fetched, judged or written
is decided in ``energy_assets.ingest``; when it runs is decided in ``energy_assets.automation``.
"""
