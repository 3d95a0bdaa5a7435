"""An autoencoder of entity-days: what somebody like this does on such a day, and how far off this one is."""
