"""Registry-impersonation phishing: who a message claims to come from, whether it does, and what it wants."""
