"""The order of events: a small language model over what users and hosts do, and what it did not expect."""
