"""A stand-in of the IRIS queue on loopback: an AMQP 1.0 broker, the token endpoint that it trusts, and a feeder.

What the real service does on the wire, and faults on request, belong here. The project meets it through TLS sockets
only, as it meets Azure Service Bus; nothing here is imported by the code that listens and loads. Every message of the
feeder says by a property that it is no real one.
"""
