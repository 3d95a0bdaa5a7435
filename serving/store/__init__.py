"""The relational store of a data directory: journal, tenants, keys, alerts, quarantine and audit log."""
