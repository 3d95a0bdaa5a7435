"""What people want to see around an alert or an entity, put together from store, lake, receipts and state."""
