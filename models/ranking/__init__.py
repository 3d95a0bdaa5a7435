"""Which entities deserve a person today: a ranking of entity-days learned from the tenant's own past."""
