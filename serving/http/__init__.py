"""The HTTP side of the service: authentication, limits, routes, documents, metrics and logs."""
