"""Local stand-ins of the providers, on loopback, for the demo and the tests.

Synthetic or recorded rows, and faults on request, belong here. Nothing here reads a warehouse or is imported by the
code that fetches and stores: it is met through HTTP only, as a provider is.
"""
