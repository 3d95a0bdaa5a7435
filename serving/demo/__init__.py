"""What `habitus demo` shows: an invented organisation that goes on living while the service watches it."""
