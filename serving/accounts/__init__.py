"""People: their accounts, how they sign in, and their sessions."""
