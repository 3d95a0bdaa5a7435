"""The running service and the command line: ingest, score, alert, triage, respond, recover."""
