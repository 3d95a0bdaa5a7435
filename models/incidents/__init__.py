"""From alerts to incidents: one story an incident, whoever and whatever it touches.

Nothing here reads a clock, a file or a table of the service: alerts come in, incidents and what changed about
them go out, and the whole state is a plain structure that can be written down (`IncidentBook.export`).
"""
