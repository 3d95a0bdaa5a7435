"""Ingest protocols: each turns a request body into records, and a receipt into the protocol's own answer."""
