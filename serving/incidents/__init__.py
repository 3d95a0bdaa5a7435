"""Incidents as the service keeps, stores, shows and tells them. How alerts become one: `models.incidents`."""
