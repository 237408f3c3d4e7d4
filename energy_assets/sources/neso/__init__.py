"""The NESO data portal: how it is asked, what exists on it, and what of it is due.

Which families of resources are wanted, and what their columns mean, is the catalogue's business.
"""
