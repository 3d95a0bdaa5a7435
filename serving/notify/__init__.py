"""Telling people and machines about alerts: channels, an outbox, and a thread that empties it."""
