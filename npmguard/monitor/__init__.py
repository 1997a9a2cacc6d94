"""Registry-wide monitoring: what is published, judged as it comes, and told to whoever asked."""
