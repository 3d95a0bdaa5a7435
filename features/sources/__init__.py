"""Decoders: one module a log source, each turning the source's own records into `features.events.Event`."""
