"""Alerts as things that people work on: states, verdicts, notes, history, and what follows from them."""
