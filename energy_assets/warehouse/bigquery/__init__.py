"""BigQuery as the warehouse: the same tables, contracts and results as the embedded one.

``store`` implements the interface; ``commit`` makes one batch true; ``layout`` keeps tables as the catalogue says;
``stager`` loads rows; ``jobs`` runs jobs and counts what they cost; ``connection`` reaches the service; ``preflight``
asks whether it can be used. The SQL that both warehouses share is in ``energy_assets.warehouse.sql``.
"""
